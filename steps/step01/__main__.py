from steps.command import main
from steps.step01.server import Server

main("step01", Server)
