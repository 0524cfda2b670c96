from steps.command import main
from steps.step06.server import Server

main("step06", Server)
