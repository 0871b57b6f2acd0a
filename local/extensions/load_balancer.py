"""Network load balancers: real TCP forwarding, from one loopback port to those of the tasks."""

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

from local.extensions import hooks
from local.extensions.hooks import Created, Properties
from local.host import Host
from local.servers import Server

CHUNK = 64 * 1024


class LoadBalancers:
    """Listens for every listener, and knows the targets of every group.

    Parameters
    ----------
    host
        Where addresses are announced.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._targets: dict[str, list[Server]] = {}
        self._groups: dict[str, dict[int, str]] = {}
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, asyncio.Server] = {}
        threading.Thread(target=self._loop.run_forever, name="balancers", daemon=True).start()

    def set_targets(self, group: str, servers: Sequence[Server]) -> None:
        """Send the connections of a target group to `servers`; those that are open stay."""
        self._targets[group] = list(servers)

    def set_group(self, balancer: str, port: int, group: str) -> None:
        """Note the target group that a port of a load balancer forwards to."""
        self._groups.setdefault(balancer, {})[port] = group

    def groups_of(self, balancer: str) -> dict[int, str]:
        """The target group of each port of a load balancer."""
        return dict(self._groups.get(balancer, {}))

    def listen(self, listener: str, name: str, group: str) -> int:
        """Open a port for a listener that forwards to a target group.

        Parameters
        ----------
        listener
            ARN of the listener.
        name
            What it is announced as.
        group
            ARN of the target group.

        Returns
        -------
        int
            The port, on 127.0.0.1.
        """

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._forward(group, reader, writer)

        async def start() -> asyncio.Server:
            return await asyncio.start_server(accept, "127.0.0.1", 0)

        server = self._run(start())
        self._servers[listener] = server
        port: int = server.sockets[0].getsockname()[1]
        self._host.announce(name, f"http://127.0.0.1:{port}")
        return port

    def close(self, listener: str) -> None:
        """Close the port of a listener."""
        server = self._servers.pop(listener, None)
        if server:
            self._loop.call_soon_threadsafe(server.close)

    async def _forward(
        self, group: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        ports = [server.port for server in self._targets.get(group, []) if server.port]
        try:
            if ports:
                port = ports[next(self._turn) % len(ports)]
                answer, onward = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_copy(reader, onward), _copy(answer, writer))
        except OSError:
            # The target is gone: the client sees its connection close, as behind the real one.
            pass
        finally:
            writer.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


class LoadBalancer:
    """``AWS::ElasticLoadBalancingV2::LoadBalancer``, which is called by a loopback name."""

    NAME = "127.0.0.1"

    def __init__(self) -> None:
        self._record = hooks.Original("AWS::ElasticLoadBalancingV2::LoadBalancer")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record the load balancer under a name that resolves here."""
        return self._named(self._record.create(logical_id, properties, stack))

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record its change."""
        return self._named(self._record.update(physical_id, old, new, stack, logical_id))

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it."""
        self._record.delete(physical_id, properties)

    def _named(self, created: Created) -> Created:
        hooks.set_balancer_name(created.physical_id, self.NAME)
        return Created(created.physical_id, {**created.attributes, "DNSName": self.NAME})


class Listener:
    """``AWS::ElasticLoadBalancingV2::Listener``.

    Parameters
    ----------
    balancers
        What listens.
    """

    def __init__(self, balancers: LoadBalancers) -> None:
        self._balancers = balancers
        self._record = hooks.Original("AWS::ElasticLoadBalancingV2::Listener")

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Open a port for the listener."""
        created = self._record.create(logical_id, properties, stack)
        self._listen(created.physical_id, properties)
        return created

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Open another port, and close the old one."""
        self._balancers.close(physical_id)
        updated = self._record.update(physical_id, old, new, stack, logical_id)
        self._listen(updated.physical_id, new)
        return updated

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Close the port."""
        self._balancers.close(physical_id)
        self._record.delete(physical_id, properties)

    def _listen(self, arn: str, properties: Properties) -> None:
        group = properties["DefaultActions"][0]["TargetGroupArn"]
        port = int(properties["Port"])
        self._balancers.set_group(properties["LoadBalancerArn"], port, group)
        self._balancers.listen(arn, f"{LoadBalancer.NAME}:{port}", group)
