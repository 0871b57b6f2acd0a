"""Every route of MLflow's server, as its own two applications know them."""

import re
import subprocess
from collections.abc import Mapping

from local.images import ProcessImage

# Flask's table, and FastAPI's flat one, which includes routers. Access control adds its own to
# the first; its store of users is not needed to know them.
LIST = """
import sys
from mlflow.server import app
from mlflow.server.fastapi_app import create_fastapi_app

if "access" in sys.argv:
    from mlflow.server import auth
    auth._init_store_for_app = lambda: None
    auth.get_flask_server_secret_key = lambda: "listed"
    auth.create_app(app)

def below(routes):
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            yield from route.effective_route_contexts()
        else:
            yield route

for rule in app.url_map.iter_rules():
    for method in rule.methods - {'HEAD', 'OPTIONS'}:
        print(method, rule.rule.replace("<path:", "<").replace(" ", ""))
for route in below(create_fastapi_app(app).routes):
    for method in getattr(route, "methods", None) or ():
        print(method, route.path)
"""


def routes(
    image: ProcessImage, environment: Mapping[str, str], *, access: bool = False
) -> list[str]:
    """Every method and path, with a name in the place of each variable.

    Parameters
    ----------
    image
        The tracking server's.
    environment
        What its programs start from.
    access
        Whether to list those of MLflow's access control too.
    """
    said = subprocess.run(
        image.command(["python", "-c", LIST, *(["access"] if access else [])]),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({re.sub(r"[<{][^>}]*[>}]", "x", line) for line in said.stdout.splitlines()})
