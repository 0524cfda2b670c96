from steps.command import main
from steps.step12.settings import Settings
from steps.step15.server import Server

main("step15", Server, Settings, least_workers=0)
