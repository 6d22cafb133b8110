// CLIENT CALL: one call by one Node client, as a program would make it that knows nothing of Holdpoint.
//
// The counterpart of calls.py, and prints the same. Packages are those of tests/peers, in the folder PEERS.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const peers = createRequire(`${process.env.PEERS}/package.json`);
const load = (name) => import(pathToFileURL(peers.resolve(name)));
const proxy = process.env.HTTPS_PROXY;
const ORIGIN = "https://api.test";
const BODY = '{"text":"häppy ☃","n":[1,2.50,1e3]}';
const JSON_FIELDS = { "content-type": "application/json" };

// Method, path and body of the call, for clients that are told all three.
function plain(call) {
  if (call === "safe") return ["POST", "/echo?q=a%20b&q=2", BODY];
  return ["DELETE", `/things/${call}`, undefined];
}

// A client that reports a status as an ordinary answer: its user looks at it.
function lookedAt(status, text) {
  if (status >= 400) throw Object.assign(new Error(`status ${status}`), { name: "Seen", body: text });
  return text;
}

const clients = {
  fetch: {
    package: undefined,
    timeout: "300 s",
    async call(call) {
      const [method, path, body] = plain(call);
      const answer = await fetch(ORIGIN + path, { method, body, headers: body ? JSON_FIELDS : {} });
      return lookedAt(answer.status, await answer.text());
    },
  },
  form: {
    package: undefined,
    timeout: "300 s",
    async call(call) {
      const body = new FormData();
      body.append("note", "three");
      body.append("file", new Blob(["one\ntwo"]), "häppy.txt");
      const path = call === "safe" ? "/echo" : `/files/${call}`;
      const answer = await fetch(ORIGIN + path, { method: "POST", body });
      lookedAt(answer.status, await answer.text());
      return answer.status; // the text has a boundary that is new each time
    },
  },
  undici: {
    package: "undici",
    timeout: "300 s",
    async call(call) {
      const { ProxyAgent, request } = await load("undici");
      const [method, path, body] = plain(call);
      const dispatcher = new ProxyAgent(proxy); // it reads no variable
      const answer = await request(ORIGIN + path, { method, body, headers: body ? JSON_FIELDS : {}, dispatcher });
      const text = await answer.body.text();
      await dispatcher.close();
      return lookedAt(answer.statusCode, text);
    },
  },
  axios: {
    package: "axios",
    timeout: "none",
    body: (error) => JSON.stringify(error.response?.data),
    async call(call) {
      const { default: axios } = await load("axios");
      const [method, url, data] = plain(call);
      const answer = await axios({ method, url: ORIGIN + url, data, headers: data ? JSON_FIELDS : {} });
      return answer.data;
    },
  },
  octokit: {
    package: "@octokit/rest",
    timeout: "300 s",
    body: (error) => JSON.stringify(error.response?.data),
    async call(call) {
      const { Octokit } = await load("@octokit/rest");
      const { rest } = new Octokit({ auth: "ghp_1", baseUrl: ORIGIN, log: { warn() {}, error() {}, info() {}, debug() {} } });
      if (call !== "safe") return (await rest.repos.delete({ owner: "acme", repo: call })).status;
      return (await rest.issues.create({ owner: "acme", repo: "site", title: "häppy", body: "one\ntwo" })).data.title;
    },
  },
  openai: {
    package: "openai",
    timeout: (openai) => `${openai.default.DEFAULT_TIMEOUT / 1000} s, announced`,
    async call(call) {
      const { default: OpenAI } = await load("openai");
      const api = new OpenAI({ apiKey: "sk-1", baseURL: `${ORIGIN}/v1` });
      if (call !== "safe") return (await api.files.delete(call)).id;
      const messages = [{ role: "user", content: "häppy?" }];
      const parts = [];
      for await (const event of await api.chat.completions.create({ model: "small", messages, stream: true })) {
        parts.push(event.choices[0].delta.content);
        if (parts.length === 1) await api.models.retrieve("small"); // the rest comes only after this
      }
      return parts.join("");
    },
  },
  aws: {
    package: "@aws-sdk/client-dynamodb",
    timeout: "none",
    async call(call) {
      const { DynamoDBClient, DeleteTableCommand, GetItemCommand, PutItemCommand } = await load("@aws-sdk/client-dynamodb");
      const { HttpsProxyAgent } = await load("https-proxy-agent");
      const agent = new HttpsProxyAgent(proxy); // it has an agent of its own, which reads no variable
      const dynamodb = new DynamoDBClient({ requestHandler: { httpsAgent: agent } });
      if (call !== "safe") {
        return (await dynamodb.send(new DeleteTableCommand({ TableName: call }))).TableDescription.TableName;
      }
      const Item = { id: { S: "1" }, text: { S: "häppy" } };
      await dynamodb.send(new PutItemCommand({ TableName: "table", Item }));
      const got = await dynamodb.send(new GetItemCommand({ TableName: "table", Key: { id: { S: "1" } } }));
      return got.Item.text.S;
    },
  },
  ws: {
    package: "ws",
    timeout: "none",
    async call(call) {
      const { default: WebSocket } = await load("ws");
      const { HttpsProxyAgent } = await load("https-proxy-agent");
      // It reads no variable.
      const socket = new WebSocket(`wss://api.test/${call}`, { agent: new HttpsProxyAgent(proxy) });
      return await new Promise((done, fail) => {
        const messages = ["häppy", "x".repeat(100_000), ""];
        const received = [];
        socket.on("unexpected-response", (request, answer) => {
          const chunks = [];
          answer.on("data", (chunk) => chunks.push(chunk));
          answer.on("end", () => {
            const error = new Error(`Unexpected server response: ${answer.statusCode}`);
            fail(Object.assign(error, { body: Buffer.concat(chunks).toString() }));
          });
        });
        socket.on("error", fail);
        socket.on("open", () => messages.forEach((message) => socket.send(message)));
        socket.on("message", (data) => {
          received.push(data.toString());
          if (received.length === messages.length) socket.close();
        });
        socket.on("close", () => {
          const same = JSON.stringify(received) === JSON.stringify(messages);
          same ? done("the same") : fail(new Error(`echoed otherwise: ${received.length}`));
        });
      });
    },
  },
};

const [name, call] = process.argv.slice(2);
const client = clients[name];
const told = { version: [], timeout: client.timeout };
if (client.package) {
  const { readFileSync } = await import("node:fs");
  const { version } = JSON.parse(readFileSync(`${process.env.PEERS}/node_modules/${client.package}/package.json`));
  told.version.push(`${client.package} ${version}`);
} else {
  told.version.push(`Node ${process.versions.node}`);
}
if (typeof client.timeout === "function") told.timeout = client.timeout(await load(client.package));
try {
  told.answer = await client.call(call);
} catch (error) {
  if (error instanceof ReferenceError || error instanceof SyntaxError || error.message.includes("echoed")) throw error;
  told.raised = error.constructor.name === "Error" ? error.name : error.constructor.name;
  told.error = error.message;
  told.body = error.body ?? client.body?.(error);
}
console.log(JSON.stringify(told));
process.exit(0);
