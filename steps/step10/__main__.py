from steps.command import main
from steps.step10.server import Server

main("step10", Server, least_workers=0)
