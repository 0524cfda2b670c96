from steps.command import main
from steps.step03.server import Server

main("step03", Server)
