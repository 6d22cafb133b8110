// Node's own WebSocket: says each line that it is given, and prints what comes back and how it ends.
const lines = process.argv.slice(3);
const socket = new WebSocket(process.argv[2], ["chat"]);
const next = () => {
  const line = lines.shift();
  if (line === undefined) socket.close(1000, "done");
  else socket.send(line);
};
socket.onopen = () => {
  console.log(`open ${socket.protocol} ${socket.extensions}`);
  next();
};
socket.onmessage = (event) => {
  console.log(`said ${event.data}`);
  next();
};
socket.onerror = (event) => console.log(`error ${event.message ?? ""}`);
socket.onclose = (event) => console.log(`close ${event.code} ${event.reason}`);
