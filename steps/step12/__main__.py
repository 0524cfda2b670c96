from steps.command import main
from steps.step12.server import Server
from steps.step12.settings import Settings

main("step12", Server, Settings, least_workers=0)
