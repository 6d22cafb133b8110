"""One operation by boto3, as a program would that knows nothing of a proxy."""

import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

# No retries: a test wants to see the first answer.
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
MEGABYTE = 1024 * 1024


def s3_safe():
    s3 = boto3.client("s3", config=CONFIG)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="bucket", Key="a b/c+d", Body=b"text")
    assert s3.get_object(Bucket="bucket", Key="a b/c+d")["Body"].read() == b"text"
    with open("large", "wb") as file:
        file.write(bytes(range(256)) * (12 * MEGABYTE // 256))
    parts = TransferConfig(multipart_threshold=6 * MEGABYTE, multipart_chunksize=6 * MEGABYTE)
    s3.upload_file("large", "bucket", "large", Config=parts)
    s3.download_file("bucket", "large", "copy", Config=parts)
    with open("large", "rb") as sent, open("copy", "rb") as received:
        assert sent.read() == received.read()
    print("s3 safe")


def s3_delete():
    boto3.client("s3", config=CONFIG).delete_object(Bucket="bucket", Key="large")
    print("s3 deleted")


def dynamodb_safe():
    dynamodb = boto3.client("dynamodb", config=CONFIG)
    dynamodb.create_table(
        TableName="table",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="table", Item={"id": {"S": "1"}, "text": {"S": "häppy"}})
    item = dynamodb.get_item(TableName="table", Key={"id": {"S": "1"}})["Item"]
    assert item["text"]["S"] == "häppy"
    print("dynamodb safe")


def dynamodb_delete():
    boto3.client("dynamodb", config=CONFIG).delete_table(TableName="table")
    print("dynamodb deleted")


{
    "s3-safe": s3_safe,
    "s3-delete": s3_delete,
    "dynamodb-safe": dynamodb_safe,
    "dynamodb-delete": dynamodb_delete,
}[sys.argv[1]]()
