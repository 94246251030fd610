"""boto3_write.py ENDPOINT ITEMS: what boto3's batch_writer costs, which only sends.

Items have ten attributes, some 520 bytes on the wire, and are made before the clock starts. Prints
one JSON object. Run it against bench/null_endpoint.cc, so that the figure is the client's.
"""

import json
import resource
import sys
import time
from decimal import Decimal

import boto3


def account(i):
    return {
        "PK": f"ACCOUNT#{i}",
        "id": i,
        "name": f"Customer Name {i:08}",
        "email": f"customer{i:08}@example.invalid",
        "status": "active" if i % 2 else "closed",
        "balance": Decimal(i * 37 % 1_000_000) / 100,
        "version": i % 1000,
        "created_at": f"2024-01-02 03:04:05.{i % 1_000_000:06}",
        "updated_at": f"2024-05-06 07:08:09.{i % 1_000_000:06}",
        "notes": f"lorem ipsum dolor sit amet {i} " * 4,
    }


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    endpoint, count = sys.argv[1], int(sys.argv[2])
    dynamodb = boto3.resource("dynamodb", endpoint_url=endpoint, region_name="us-east-1",
                              aws_access_key_id="bench", aws_secret_access_key="bench")
    table = dynamodb.Table("accounts")
    items = [account(i) for i in range(count)]
    start, cpu = time.monotonic(), cpu_seconds()
    with table.batch_writer() as writer:
        for item in items:
            writer.put_item(Item=item)
    seconds, cpu = time.monotonic() - start, cpu_seconds() - cpu
    print(json.dumps({"version": boto3.__version__, "items": count, "seconds": seconds,
                      "cpu_seconds": cpu}))


if __name__ == "__main__":
    main()
