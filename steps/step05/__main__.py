from steps.command import main
from steps.step05.server import Server

main("step05", Server)
