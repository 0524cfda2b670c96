from steps.command import main
from steps.step13.server import Server
from steps.step13.settings import Settings

main("step13", Server, Settings, least_workers=0)
