from steps.command import main
from steps.step12.settings import Settings
from steps.step14.server import Server

main("step14", Server, Settings, least_workers=0)
