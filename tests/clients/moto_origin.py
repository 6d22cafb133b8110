"""Stand-ins for AWS services behind TLS: CERTIFICATE KEY. Prints its port when it listens."""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, application, threaded=True, ssl_context=(sys.argv[1], sys.argv[2]))
print(server.server_port, flush=True)
server.serve_forever()
