"use strict";
const at = (id) => document.getElementById(id);
let now = null;
let keys = {};
const chosen = new Set();

function choice(label, key, act) {
  const button = document.createElement("button");
  button.append(label + " ");
  const mark = document.createElement("kbd");
  mark.textContent = key;
  if (key) button.append(mark);
  button.onclick = act;
  if (key) keys[key] = act;
  at("choices").append(button);
  return button;
}

function toggle(name, key) {
  const button = choice(name, key, () => {
    chosen.delete(name) || chosen.add(name);
    button.setAttribute("aria-pressed", chosen.has(name));
  });
  button.setAttribute("aria-pressed", false);
}

function named() {
  const lower = now.classes.map((name) => name.toLowerCase());
  return [...chosen].join(",") || ["none", "0"].find((word) => !lower.includes(word));
}

function show(state) {
  now = state.question;
  keys = {};
  chosen.clear();
  at("choices").replaceChildren();
  at("responses").replaceChildren();
  at("told").textContent = state.told;
  at("head").textContent = state.who + ": " + state.done + " answered, " + state.left + " left";
  at("instructions").textContent = state.instructions;
  at("image").hidden = !(now && now.image);
  at("form").hidden = true;
  document.body.className = "";
  if (!now) {
    at("prompt").textContent = "Nothing is left to answer. Thank you.";
    return;
  }
  at("prompt").textContent = now.prompt;
  if (now.image) at("image").src = "image/" + now.key;
  now.responses.forEach((text, place) => {
    const block = document.createElement("pre");
    block.textContent = (now.wants === "pair" ? "AB"[place] + ": " : "") + text;
    at("responses").append(block);
  });
  if (now.several) {
    now.classes.forEach((name, place) => toggle(name, place < 9 ? String(place + 1) : ""));
    choice("Keep", "Enter", () => send("answer", named())).className = "keep";
  } else if (now.classes.length) {
    now.classes.forEach((name, place) => choice(name, place < 9 ? String(place + 1) : "", () => send("answer", name)));
  } else if (now.wants === "pair") {
    [["A is better", "a"], ["B is better", "b"], ["Tie", "t"]].forEach(([label, key]) => choice(label, key, () => send("answer", key)));
  } else {
    at("form").hidden = false;
    document.body.className = "typing"; // keys are letters of the answer
    at("hint").textContent = now.wants === "score" ? now.hint : "Answer";
    at("send").textContent = now.wants === "score" ? "Enter" : "Ctrl Enter";
    at("text").value = "";
    at("text").focus();
  }
}

async function send(action, text) {
  const body = JSON.stringify({ key: now ? now.key : "", text: text || "" });
  const reply = await fetch(action, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  show(await reply.json());
}

["skip", "undo", "nothing"].forEach((action) => { at(action).onclick = () => send(action); });
at("form").onsubmit = (event) => { event.preventDefault(); send("answer", at("text").value); };
at("text").onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || now.wants === "score")) { event.preventDefault(); at("form").requestSubmit(); }
};
document.onkeydown = (event) => {
  if (event.target === at("text") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.tagName === "BUTTON" && !event.target.ariaPressed) return;
  if (event.key in keys) { event.preventDefault(); keys[event.key](); }
  else if (event.key === "u") send("undo");
  else if (now && event.key === "s") send("skip");
  else if (now && event.key === "n") send("nothing");
};
fetch("now").then((reply) => reply.json()).then(show);
