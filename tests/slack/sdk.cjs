// Slack's own Node SDK against the fake.

const assert = require("node:assert");
const { SocketModeClient } = require("@slack/socket-mode");
const { WebClient } = require("@slack/web-api");

const { SLACK_API, BOT_TOKEN, APP_TOKEN } = process.env;

async function main() {
  const web = new WebClient(BOT_TOKEN, { slackApiUrl: SLACK_API, retryConfig: { retries: 0 } });
  assert.equal((await web.auth.test()).team_id, "T0TEST");
  const blocks = [{ type: "header", text: { type: "plain_text", text: "hello" } }];
  const posted = await web.chat.postMessage({ channel: "C0SEC", text: "hello", blocks });
  await web.chat.update({ channel: "C0SEC", ts: posted.ts, text: "again", blocks });
  assert.equal((await web.users.info({ user: "UALICE" })).user.id, "UALICE");
  await assert.rejects(web.users.info({ user: "UNOBODY" }), (error) => error.data.error === "user_not_found");
  await web.conversations.open({ users: "UALICE" });

  const sockets = new SocketModeClient({ appToken: APP_TOKEN, clientOptions: { slackApiUrl: SLACK_API } });
  const heard = new Promise((resolve) => {
    sockets.on("interactive", async ({ ack, body }) => {
      assert.equal(body.actions[0].value, "hpb_1");
      await ack();
      resolve();
    });
  });
  await sockets.start();
  await heard;
  process.stdout.write("all good\n", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
