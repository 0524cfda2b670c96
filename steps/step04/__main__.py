from steps.command import main
from steps.step04.server import Server

main("step04", Server)
