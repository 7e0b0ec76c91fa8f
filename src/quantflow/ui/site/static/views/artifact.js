"use strict";

/** `#/artifact/SHA`: which stage of which run made an artifact, of what, and who reads it. */
quantflow.views.artifact = async (asked) => {
  const { h, title, section } = quantflow.dom;
  const { plural } = quantflow.format;
  const { artifactLink, none, runLink } = quantflow.parts;
  const runs = await quantflow.load("lineage");
  const makers = new Map();
  const readers = new Map();
  const put = (map, sha, entry) => (map.has(sha) ? map.get(sha).push(entry) : map.set(sha, [entry]));
  for (const [run, stages] of runs) {
    for (const [stage, cached, made, inputs] of stages) {
      const entry = { run, stage, cached, made, inputs };
      Object.entries(made).forEach(([name, sha]) => put(makers, sha, { ...entry, name }));
      Object.entries(inputs).forEach(([name, sha]) => put(readers, sha, { ...entry, name }));
    }
  }
  const field = h("input", { type: "search", id: "filter", value: asked, placeholder: "sha256, or its beginning", "aria-label": "sha256", spellcheck: "false" });
  const form = h("form.filters", { onsubmit: (event) => { event.preventDefault(); location.hash = quantflow.route(["artifact", field.value.trim()]); } },
    h("label.choice.long", {}, h("span", {}, "Artifact"), field), h("button", { type: "submit" }, "Show"));
  const short = (sha) => sha.slice(0, 12);
  const nameOf = (sha) => (makers.get(sha) || readers.get(sha) || [{ name: "?" }])[0].name;

  /** @param {string} caption @param {Array<Object>} rows @returns {Node} */
  const list = (name, caption, rows) => quantflow.table({
    name, caption, rows, tall: rows.length > 20, columns: [
      { key: "artifact", label: "Artifact", text: true, show: (row) => artifactLink(row.sha, row.artifact) },
      { key: "sha", label: "sha256", text: true, show: (row) => h("code", { title: row.sha }, short(row.sha)) },
      ...("depth" in (rows[0] || {}) ? [{ key: "depth", label: "Steps" }] : []),
      { key: "stage", label: "Stage", text: true }, { key: "run", label: "Run", text: true, show: (row) => runLink(row.run) },
      { key: "runs", label: "Runs" },
    ] });

  if (!asked) {
    const newest = [...runs].reverse().slice(0, 1).flatMap(([run, stages]) => stages.flatMap(([stage, , made]) =>
      Object.entries(made).map(([artifact, sha]) => ({ artifact, sha, stage, run, runs: makers.get(sha).length }))));
    return [title("Lineage", `${plural(makers.size, "artifact")}, each named by the sha256 of its bytes`), form,
      section("newest", "Made by the newest run", newest.length ? list("newest-artifacts", "Artifacts of the newest run", newest) : none("No artifacts yet."))];
  }
  const matching = [...new Set([...makers.keys(), ...readers.keys()])].filter((sha) => sha.startsWith(asked.toLowerCase()));
  if (matching.length !== 1) {
    return [title("Lineage"), form, none(matching.length ? `${matching.length} artifacts begin so; type more of it.` : "No run of this workspace made or read that artifact.")];
  }
  const [sha] = matching;

  /**
   * Return what lies before or after, step by step.
   * @param {function(string): Array<Object>} next The entries one step on: sha, artifact, stage, run, runs.
   * @returns {Array<Object>}
   */
  function walk(next) {
    const seen = new Map();
    let front = [sha];
    for (let depth = 1; front.length; depth += 1) {
      const found = front.flatMap(next).filter((each) => each.sha !== sha && !seen.has(each.sha));
      found.forEach((each) => { if (!seen.has(each.sha)) seen.set(each.sha, { ...each, depth }); });
      front = [...new Set(found.map((each) => each.sha))];
    }
    return [...seen.values()];
  }

  const about = (each) => {
    const by = makers.get(each) || [];
    return { sha: each, artifact: nameOf(each), stage: by.length ? by[0].stage : "", run: by.length ? by[0].run : "", runs: by.length };
  };
  const before = walk((each) => [...new Set((makers.get(each) || []).flatMap((entry) => Object.values(entry.inputs)))].map(about));
  const after = walk((each) => [...new Set((readers.get(each) || []).flatMap((entry) => Object.values(entry.made)))].map(about));
  const stages = (name, caption, entries) => quantflow.table({
    name, caption, rows: entries, tall: entries.length > 20, columns: [
      { key: "run", label: "Run", text: true, show: (row) => runLink(row.run) }, { key: "stage", label: "Stage", text: true },
      { key: "cached", label: "How", text: true, value: (row) => (row.cached ? "reused" : "computed") },
    ] });
  /** @returns {string} Why there is nothing that it was made of. */
  const made = () => {
    const [first] = makers.get(sha) || [];
    if (!first) return "Its maker is not in this workspace.";
    return first.stage.startsWith("trial ") ? "A trial is not recorded stage by stage; its settings are those of the sweep's row." : "Nothing that is recorded: it was fetched.";
  };
  return [
    title(nameOf(sha), "Lineage"), h("p", {}, h("code.sha", {}, sha)), form,
    section("made", "Made by", makers.has(sha) ? stages(`${short(sha)}-makers`, "Stages that made it", makers.get(sha)) : none("No run that is still here made it.")),
    section("before", "Made of", before.length ? list(`${short(sha)}-inputs`, "What it was made of", before) : none(made())),
    section("read", "Read by", readers.has(sha) ? stages(`${short(sha)}-readers`, "Stages that read it", readers.get(sha)) : none("No stage has read it.")),
    section("after", "What came of it", after.length ? list(`${short(sha)}-results`, "What was made of it", after) : none("Nothing.")),
  ];
};
