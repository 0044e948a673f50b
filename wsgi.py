"""What a WSGI server and the `flask` command start from. `make run` sets what it reads."""

from dotenv import load_dotenv

from web import create_app

load_dotenv()  # variables that are set already win

app = create_app()
