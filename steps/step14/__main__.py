from steps.command import finish, make_server
from steps.step14.server import Server
from steps.step14.settings import Settings

server, *_ = make_server("step14", Server, Settings, least_workers=0)
finish(server.run())
