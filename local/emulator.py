"""The embedded AWS: ministack with the platform's own resource types, in one process.

Run by `local.platform` as ``python -m local.emulator <state folder> <port> <account> <minute>``,
where the last is how many seconds a minute of the services' waits takes.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path


def main() -> int:
    """Serve until SIGTERM, then stop everything that was started.

    Returns
    -------
    int
        Exit status: 1 where the emulator is not as we know it.
    """
    folder, port, account, minute = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5]
    # ministack reads its settings when it is imported.
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "INFO"),
    )
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    from local.extensions import extend
    from local.extensions.hooks import ContractError
    from local.host import Host
    from local.pace import Pace
    from local.state import StateFolder

    host = Host(StateFolder(folder), f"http://127.0.0.1:{port}", Pace(float(minute)))
    try:
        extend(host, account)
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75

    async def serve_until_told() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        await serve(app, config, shutdown_trigger=told.wait)

    try:
        asyncio.run(serve_until_told())
    finally:
        host.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
