// Talks to the server. Every refusal arrives as a ServerError whose text a rater can read.

class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status; // 0: the server could not be reached
  }
}

async function call(path, body) {
  const options = { credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json", "X-Cytosae": "1" };
    options.body = JSON.stringify(body);
    options.keepalive = true; // a draft on its way survives the closing of the tab
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ServerError("The server cannot be reached.", 0);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ServerError(answer?.error ?? `The server answered with status ${response.status}.`, response.status);
  // The status arrives before the answer: a server that ends in between has acknowledged nothing.
  if (answer === null) throw new ServerError("The answer of the server was cut off.", 0);
  return answer;
}

// Why the server does not give a picture, in its own words; "" when it gives it by now, or cannot be reached.
async function refusalOf(path) {
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (!response || response.ok) return "";
  const answer = await response.json().catch(() => null);
  return answer?.error ?? "";
}

function clockTime(iso) {
  return new Date(iso).toLocaleTimeString([], { hour12: false });
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text; // text from people is only ever text
  return node;
}
