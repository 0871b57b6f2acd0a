"""``AWS::RDS::DBInstance``: a real MySQL-protocol server with the generated secret."""

from typing import Any

from local.database import DatabaseServer, find_server
from local.extensions import hooks
from local.extensions.hooks import Created, Properties
from local.host import Host
from local.processes import Process
from operations.errors import OperationError


class DbInstance:
    """A database instance that runs.

    Parameters
    ----------
    host
        Where it runs.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._record = hooks.Original("AWS::RDS::DBInstance")
        self._processes: dict[str, Process] = {}

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Start the server, and say where it answers."""
        if properties.get("Engine") != "mysql":
            raise OperationError(
                f"The engine '{properties.get('Engine')}' cannot run here.", "Use mysql."
            )
        name, attributes = self._record.create(logical_id, properties, stack)
        region = hooks.account_and_region()[1]
        server = DatabaseServer(
            find_server(),
            self._host.state.run / "database" / name,
            self._host.state.logs / f"database-{name}.log",
            user=properties["MasterUsername"],
            password=properties["MasterUserPassword"],
            database=properties["DBName"],
            parameters=self._parameters(properties.get("DBParameterGroupName"), region),
            run=self._host.run,
        )
        self._processes[name] = server.process
        hooks.set_database_address(name, "127.0.0.1", server.port)
        self._host.announce("database", f"127.0.0.1:{server.port}")
        self._host.announce("database certificates", str(server.certificates))
        address = {"Endpoint.Address": "127.0.0.1", "Endpoint.Port": str(server.port)}
        return Created(name, {**attributes, **address})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Record the change: the server goes on as it was started."""
        return self._record.update(physical_id, old, new, stack, logical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Stop the server. Its files stay in the state folder until the next start."""
        process = self._processes.pop(physical_id, None)
        if process:
            process.stop()
        self._record.delete(physical_id, properties)

    def _parameters(self, group: Any, region: str) -> dict[str, str]:
        if not group:
            return {}
        pages = self._host.client("rds", region).get_paginator("describe_db_parameters")
        return {
            parameter["ParameterName"]: parameter["ParameterValue"]
            for page in pages.paginate(DBParameterGroupName=group, Source="user")
            for parameter in page["Parameters"]
            if parameter["ParameterName"]
        }
