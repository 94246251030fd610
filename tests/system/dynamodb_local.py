"""One DynamoDB Local, in memory, and what boto3 sees in it."""

import http.client
import os
import pathlib
import shutil
import subprocess

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

from child import free_port, start_child
from deployment import CREDENTIALS
from eventually import eventually
from local_items import living


def home():
    """Where ./dev has unpacked it; None if it is not there."""
    named = os.environ.get("TANDEM_DYNAMODB_LOCAL")
    if not named or not shutil.which("java"):
        return None
    path = pathlib.Path(named)
    return path if (path / "DynamoDBLocal.jar").exists() else None


def client_for(endpoint):
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 3}, max_pool_connections=4),
    )


class DynamodbLocal:
    def __init__(self, directory):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = pathlib.Path(directory) / "dynamodb-local.log"
        with open(self.log, "wb") as log:
            self.process = start_child(
                ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
                + ["-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
                + ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", self.port],
                cwd=home(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers, 60, "DynamoDB Local answers", alive=self._alive)
        self.client = client_for(self.endpoint)
        self.not_there = self.client.exceptions.ResourceNotFoundException

    def _answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse()
            connection.close()
            return True
        except OSError:
            return False

    def _alive(self):
        if self.process.poll() is not None:
            raise RuntimeError("DynamoDB Local ended: " + self.log.read_text(errors="replace"))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def delete_tables(self):
        for name in self.client.list_tables()["TableNames"]:
            self.client.delete_table(TableName=name)

    def tables(self):
        return set(self.client.list_tables()["TableNames"])

    def scan(self, table):
        return living(self.scan_raw(table))

    def scan_raw(self, table):
        """All items as they stand, tombstones and our attribute included."""
        deserialize = TypeDeserializer().deserialize
        request = {"TableName": table, "ConsistentRead": True}
        while True:
            answer = self.client.scan(**request)
            for item in answer["Items"]:
                yield {name: deserialize(value) for name, value in item.items()}
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
