// Ends the session on the server, then shows the sign-in page.

export default function ({ parentElement }) {
  const status = element("p", "", "Signing out …");
  parentElement.append(status);
  call("api/sign-out", {}).then(
    () => window.location.assign("./"),
    (error) => (status.textContent = error.message),
  );
  return () => status.remove();
}
