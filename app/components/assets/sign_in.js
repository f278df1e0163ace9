// Two fields; the server answers with a cookie that no script can read, and the page starts anew with it.

function field(name, label, type) {
  const wrap = element("label", "", label);
  const input = element("input");
  Object.assign(input, { name, type, required: true, autocomplete: type === "password" ? "current-password" : "username" });
  wrap.append(input);
  return wrap;
}

export default function ({ parentElement }) {
  const form = element("form", "sign-in");
  const button = element("button", "", "Sign in");
  const status = element("p", "status");
  status.setAttribute("role", "alert");
  form.append(field("rater_code", "Rater code", "text"), field("access_code", "Access code", "password"), button, status);
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await call("api/sign-in", Object.fromEntries(new FormData(form)));
      window.location.reload();
    } catch (error) {
      status.textContent = error.message;
      button.disabled = false;
    }
  };
  parentElement.append(form);
  return () => form.remove();
}
