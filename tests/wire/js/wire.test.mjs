// AWS's JavaScript client (v3), unmodified, against the local endpoint: only `endpoint`, region and credentials are set.
//
//     CONCERT_NPM=…/node_modules CONCERT_ENDPOINT=http://127.0.0.1:4566 node --test wire.test.mjs

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";

const require = createRequire(path.join(process.env.CONCERT_NPM, "here.js"));
const { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelWithResponseStreamCommand } =
  require("@aws-sdk/client-bedrock-runtime");
const {
  CreateTableCommand, DeleteItemCommand, DeleteTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand,
  TransactWriteItemsCommand, UpdateItemCommand, paginateQuery,
} = require("@aws-sdk/client-dynamodb");
const {
  DescribeStatementCommand, ExecuteStatementCommand, ListTablesCommand, RedshiftDataClient, paginateGetStatementResult,
} = require("@aws-sdk/client-redshift-data");

const settings = {
  endpoint: process.env.CONCERT_ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "concert", secretAccessKey: "concert-local-secret" },
  maxAttempts: 1,
};
const redshift = new RedshiftDataClient(settings);
const bedrock = new BedrockRuntimeClient(settings);
const dynamodb = new DynamoDBClient(settings);
const connection = { WorkgroupName: "concert", Database: "dev", WaitTimeSeconds: 30 };
const hello = [{ role: "user", content: [{ text: "who are you" }] }];

test("a statement with a parameter is run and its pages are read", async () => {
  const executed = await redshift.send(
    new ExecuteStatementCommand({
      ...connection,
      Sql: `with d as (select 0 as n union all select 1 union all select 2 union all select 3 union all select 4
                       union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)
            select a.n + 10 * b.n + 100 * c.n + 1000 * e.n as n from d a, d b, d c, d e where e.n < :thousands order by 1`,
      Parameters: [{ name: "thousands", value: "2" }],
    }),
  );
  const described = await redshift.send(new DescribeStatementCommand({ Id: executed.Id, WaitTimeSeconds: 30 }));
  assert.equal(described.Status, "FINISHED", described.Error);
  assert.ok(described.CreatedAt instanceof Date && Math.abs(Date.now() - described.CreatedAt) < 300_000);
  const numbers = [];
  for await (const page of paginateGetStatementResult({ client: redshift }, { Id: executed.Id })) {
    numbers.push(...page.Records.map(([field]) => field.longValue));
  }
  assert.deepEqual(numbers, Array.from({ length: 2000 }, (_, n) => n));
});

test("refusals have their names", async () => {
  await assert.rejects(redshift.send(new DescribeStatementCommand({ Id: "00000000-0000-4000-8000-000000000000" })), {
    name: "ResourceNotFoundException",
  });
  await assert.rejects(redshift.send(new ListTablesCommand({ ...connection, WaitTimeSeconds: undefined, WorkgroupName: "no" })), (e) =>
    ["ResourceNotFoundException", "ValidationException"].includes(e.name),
  );
  await assert.rejects(bedrock.send(new ConverseCommand({ modelId: "local.planner", messages: [...hello, ...hello] })), {
    name: "ValidationException",
    message: /must alternate/,
  });
  const wrong = new RedshiftDataClient({ ...settings, credentials: { accessKeyId: "concert", secretAccessKey: "wrong" } });
  await assert.rejects(wrong.send(new ListTablesCommand(connection)), { name: "InvalidSignatureException" });
});

test("a conversation is streamed to its end", async () => {
  for (const modelId of ["local.planner", "arn:aws:bedrock:us-east-1::foundation-model/local.planner"]) {
    const { stream } = await bedrock.send(new ConverseStreamCommand({ modelId, messages: hello }));
    let text = "";
    let stop, usage;
    for await (const event of stream) {
      text += event.contentBlockDelta?.delta?.text ?? "";
      stop = event.messageStop?.stopReason ?? stop;
      usage = event.metadata?.usage ?? usage;
    }
    assert.match(text, /built-in planner/);
    assert.equal(stop, "end_turn");
    assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
  }
});

test("a model is invoked with a stream of chunks", async () => {
  const body = JSON.stringify({
    anthropic_version: "bedrock-2023-05-31",
    max_tokens: 100,
    messages: [{ role: "user", content: "who are you" }],
  });
  const answer = await bedrock.send(new InvokeModelWithResponseStreamCommand({ modelId: "local.planner", body }));
  const kinds = [];
  for await (const event of answer.body) {
    kinds.push(JSON.parse(new TextDecoder().decode(event.chunk.bytes)).type);
  }
  assert.equal(kinds[0], "message_start");
  assert.equal(kinds.at(-1), "message_stop");
});

test("a throttle is waited out", async () => {
  const order = { fault: "throttle", count: 1, operation: "Converse" };
  await fetch(`${settings.endpoint}/_concert/fault`, { method: "PUT", body: JSON.stringify(order) });
  const patient = new BedrockRuntimeClient({ ...settings, maxAttempts: 3 });
  const answer = await patient.send(new ConverseCommand({ modelId: "local.planner", messages: hello }));
  assert.equal(answer.$metadata.attempts, 2);
});

test("items are written, changed by conditions, queried by pages and transacted", async () => {
  const TableName = `js-${process.pid}`;
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "sk", AttributeType: "N" }],
    }),
  );
  const key = (sk) => ({ pk: { S: "a" }, sk: { N: String(sk) } });
  for (let sk = 0; sk < 5; sk += 1) {
    await dynamodb.send(new PutItemCommand({ TableName, Item: { ...key(sk), data: { B: new Uint8Array([0, sk]) } } }));
  }
  const got = await dynamodb.send(new GetItemCommand({ TableName, Key: key(3), ConsistentRead: true }));
  assert.deepEqual([...got.Item.data.B], [0, 3]);
  const pages = paginateQuery(
    { client: dynamodb, pageSize: 2 },
    { TableName, KeyConditionExpression: "pk = :p", ExpressionAttributeValues: { ":p": { S: "a" } } },
  );
  const sizes = [];
  for await (const page of pages) sizes.push(page.Items.length);
  assert.deepEqual(sizes.filter((size) => size > 0), [2, 2, 1]);
  const updated = await dynamodb.send(
    new UpdateItemCommand({
      TableName,
      Key: key(1),
      UpdateExpression: "set n = if_not_exists(n, :zero) + :one",
      ConditionExpression: "attribute_exists(pk)",
      ExpressionAttributeValues: { ":zero": { N: "0" }, ":one": { N: "1" } },
      ReturnValues: "ALL_NEW",
    }),
  );
  assert.deepEqual(updated.Attributes.n, { N: "1" });
  await assert.rejects(
    dynamodb.send(new DeleteItemCommand({ TableName, Key: key(9), ConditionExpression: "attribute_exists(pk)" })),
    { name: "ConditionalCheckFailedException" },
  );
  await assert.rejects(
    dynamodb.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          { Put: { TableName, Item: key(7) } },
          { ConditionCheck: { TableName, Key: key(8), ConditionExpression: "attribute_exists(pk)" } },
        ],
      }),
    ),
    (error) => error.name === "TransactionCanceledException" && error.CancellationReasons[1].Code === "ConditionalCheckFailed",
  );
  const all = await dynamodb.send(
    new QueryCommand({ TableName, KeyConditionExpression: "pk = :p", ExpressionAttributeValues: { ":p": { S: "a" } } }),
  );
  assert.equal(all.Count, 5);
  await dynamodb.send(new DeleteTableCommand({ TableName }));
});
