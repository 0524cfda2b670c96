from steps.command import main
from steps.step09.server import Server

main("step09", Server)
