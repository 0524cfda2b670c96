from steps.command import main
from steps.step02.server import Server

main("step02", Server)
