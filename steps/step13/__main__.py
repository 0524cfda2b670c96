import sys

from steps.command import make_server
from steps.step13.server import Server
from steps.step13.settings import Settings

server, *_ = make_server("step13", Server, Settings, least_workers=0)
sys.exit(server.run())
