from steps.command import main
from steps.step07.server import Server

main("step07", Server)
