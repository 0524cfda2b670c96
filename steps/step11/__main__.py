from steps.command import main
from steps.step11.deadlines import Timeouts
from steps.step11.server import Server

main("step11", Server, Timeouts, least_workers=0)
