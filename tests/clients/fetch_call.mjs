// METHOD URL BODY by Node's own fetch, as a program would that knows nothing of a proxy.
const [method, url, body] = process.argv.slice(2);
const headers = body ? { "content-type": "application/json" } : {};
const answer = await fetch(url, { method, headers, body: body || undefined });
console.log(answer.status, await answer.text());
