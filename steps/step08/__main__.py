from steps.command import main
from steps.step08.server import Server

main("step08", Server)
