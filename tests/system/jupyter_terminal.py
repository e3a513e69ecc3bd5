"""One command in a terminal of a Jupyter server: python jupyter_terminal.py URL-WITH-TOKEN COMMAND; what it shows.

Run by a Python that has Jupyter's own packages: a terminal is a WebSocket.
"""

import json
import sys
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import websocket

ENDED = "ended-with-"


def main(address: str, command: str) -> int:
    parts = urlsplit(address)
    (token,) = parse_qs(parts.query)["token"]
    headers = {"Authorization": f"token {token}"}
    made = Request(f"http://{parts.netloc}/api/terminals", method="POST", headers=headers, data=b"{}")
    with urlopen(made) as answer:
        name = json.load(answer)["name"]
    socket = websocket.create_connection(
        f"ws://{parts.netloc}/terminals/websocket/{name}?token={token}", header=headers, timeout=600
    )
    # The words that are looked for are put together only by the shell: the terminal shows what is typed, too.
    socket.send(json.dumps(["stdin", f"{command}; echo {ENDED[:6]}{ENDED[6:-1]}''-$?.\r"]))
    shown = ""
    while True:
        kind, *told = json.loads(socket.recv())
        if kind == "stdout":
            shown += told[0]
            sys.stdout.write(told[0])
            _, found, rest = shown.rpartition(ENDED)
            status = rest.split(".")[0]
            if found and "." in rest and status.isdecimal():
                return int(status)
        elif kind == "disconnect":
            return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
