// Draws the charts of a report from the JSON in #data (made by curves.cpp). What is shown (axis,
// scale, theme) is kept in the address's fragment, so that a view can be linked, for example
// #x=tokens&theme=dark.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const hidden = new Set();

  const axes = {
    flops: { label: "FLOPs", title: "training FLOPs", scale: 1 },
    wall_s: { label: "Wall time", ...timeUnit() },
    tokens: { label: "Tokens", title: "training tokens", scale: 1 },
    step: { label: "Steps", title: "optimizer steps", scale: 1 },
  };
  const xAxis = () => (state.x in axes ? state.x : "flops");

  function timeUnit() {
    const longest = Math.max(...data.runs.map((run) => run.steps.wall_s.at(-1)));
    if (longest > 2 * 3600) return { title: "wall time (hours)", scale: 3600 };
    if (longest > 180) return { title: "wall time (minutes)", scale: 60 };
    return { title: "wall time (seconds)", scale: 1 };
  }

  // The style's colours depend on the scheme, so a property has its value only where it is used.
  const probe = document.body.appendChild(document.createElement("i"));
  probe.hidden = true;
  function css(name) {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  }
  const isBaseline = (index) => index === data.baseline;
  function color(index) {
    if (isBaseline(index)) return css("--baseline");
    const skipped = data.baseline !== null && data.baseline < index ? 1 : 0;
    return css(`--run-${(index - skipped) % 6}`);
  }
  // More runs than colours: the next ones are dashed.
  const dash = (index) => (!isBaseline(index) && index > 6 ? "dash" : "solid");
  // The baseline lies beneath the others.
  const drawingOrder = [...data.runs.keys()].sort((a, b) => isBaseline(b) - isBaseline(a));
  const xs = (columns) => columns[xAxis()].map((value) => value / axes[xAxis()].scale);

  const line = (run, index, extra) => ({
    type: "scatter", mode: "lines", name: run.name, showlegend: false,
    line: { color: color(index), width: isBaseline(index) ? 3 : 2, dash: dash(index) }, ...extra,
  });

  // Least and greatest of each bucket as one zigzag, faint behind the average; for a short run,
  // whose buckets are single steps, this is the raw curve.
  function noisy(key, digits) {
    return (run, index) => {
      const steps = run.steps;
      const x = xs(steps);
      const low = steps[`${key}_min`];
      const high = steps[`${key}_max`];
      return [
        line(run, index, {
          x: x.flatMap((value) => [value, value]), y: low.flatMap((value, i) => [value, high[i]]),
          opacity: 0.22, hoverinfo: "skip", line: { color: color(index), width: 1 },
        }),
        line(run, index, { x, y: steps[key], hovertemplate: `%{y:${digits}}` }),
      ];
    };
  }

  function validationLoss(run, index) {
    const traces = [line(run, index, {
      x: xs(run.evals), y: run.evals.loss, mode: "lines+markers", hovertemplate: "%{y:.4f}",
      line: { color: color(index), width: 2.5, dash: dash(index) }, marker: { size: 5 },
    })];
    if (run.stage_evals.loss.length > 0) {
      traces.push(line(run, index, {
        x: xs(run.stage_evals), y: run.stage_evals.loss, customdata: run.stage_evals.depth,
        name: `${run.name}, own depth`, hovertemplate: "%{y:.4f} at depth %{customdata}",
        opacity: 0.55, line: { color: color(index), width: 1.5, dash: "dot" },
      }));
    }
    const crossing = data.crossings[index];
    if (crossing && xAxis() in crossing) {
      traces.push(line(run, index, {
        x: [crossing[xAxis()] / axes[xAxis()].scale], y: [data.target], mode: "markers",
        name: `${run.name} at the baseline's loss`, hovertemplate: "%{y:.4f}",
        marker: { symbol: "diamond", size: 12, color: color(index),
                  line: { color: css("--card"), width: 2 } },
      }));
    }
    return traces;
  }

  function depthAndStage(run, index) {
    return [
      ...noisy("depth", ".2f")(run, index),
      line(run, index, {
        x: xs(run.steps), y: run.steps.layers, name: `${run.name}, layers`,
        hovertemplate: "%{y}", line: { color: color(index), width: 2, dash: "dash", shape: "hv" },
      }),
    ];
  }

  // Runs of earlier versions did not measure a peak.
  const hasUtilisation = data.runs.some(
    (run) => run.steps.model_flops_utilisation.some((value) => value !== null));

  // Only of masked models.
  const hasAccuracy = data.runs.some((run) => run.evals.accuracy);
  const maskedAccuracy = (run, index) => (run.evals.accuracy === undefined ? [] : [line(run, index, {
    x: xs(run.evals), y: run.evals.accuracy, mode: "lines+markers", hovertemplate: "%{y:.2%}",
    marker: { size: 5 },
  })]);

  const learningRate = (run, index) =>
    [line(run, index, { x: xs(run.steps), y: run.steps.lr, hovertemplate: "%{y:.3e}" })];

  // Over the seeds of each run, one entry for a run and a budget; none in other reports.
  const groups = data.groups ?? [];
  const ofRun = (index) => groups.filter((group) => group.run === index);
  const faint = (index) => color(index).replace("rgb(", "rgba(").replace(")", ", 0.16)");

  // The mean as a line, from the least to the greatest as a band.
  function band(run, index, x, columns, digits) {
    const edge = { x, hoverinfo: "skip", line: { width: 0, color: color(index) } };
    return [
      line(run, index, { ...edge, y: columns.least }),
      line(run, index, { ...edge, y: columns.greatest, fill: "tonexty", fillcolor: faint(index) }),
      line(run, index, { x, y: columns.mean, hovertemplate: `%{y:${digits}}`,
                         line: { color: color(index), dash: dash(index),
                                 width: isBaseline(index) ? 3 : 2 } }),
    ];
  }
  const lossBands = (run, index) => ofRun(index).flatMap((group) =>
    band(run, index, group.band.flops, group.band, ".4f"));
  const savingBands = (run, index) => ofRun(index).flatMap((group) =>
    (group.saved.loss.length < 2 ? []
      : band({ name: `${run.name}, ${group.budget}` }, index, group.saved.loss, group.saved, ".1%")));
  function lossByBudget(run, index) {
    const ends = ofRun(index).map((group) => group.end).sort((a, b) => a.flops - b.flops);
    return [line(run, index, {
      x: ends.map((end) => end.flops), y: ends.map((end) => end.loss), mode: "lines+markers",
      error_y: { type: "data", array: ends.map((end) => end.deviation), thickness: 1.5, width: 4,
                 color: color(index) },
      hovertemplate: "%{y:.4f}", marker: { size: 7, color: color(index) },
      line: { color: color(index), dash: dash(index), width: isBaseline(index) ? 3 : 2 },
    })];
  }
  // Least final loss of any depth from scratch; drawn once, with the baseline, beneath the others.
  const frontier = data.frontier ?? [];
  const frontierLine = (run, index) => (frontier.length === 0 || !isBaseline(index) ? [] : [
    line(run, index, {
      x: frontier.map((end) => end.flops), y: frontier.map((end) => end.loss),
      name: "frontier", mode: "lines+markers", customdata: frontier.map((end) => end.layers),
      hovertemplate: "%{y:.4f}, %{customdata} layers from scratch",
      marker: { size: 13, symbol: "circle-open", color: css("--ink"), line: { width: 1.5 } },
      line: { color: css("--ink"), width: 1.5, dash: "dot" },
    })]);
  const numBudgets = new Set(groups.map((group) => group.budget)).size;
  const groupCharts = groups.length === 0 ? [] : [
    { id: "bands", title: "Validation loss over seeds", wide: true, height: 440, loss: true,
      note: "full depth, against training FLOPs; band: least to greatest of the seeds",
      traces: lossBands, columns: (run) => ({ loss: ofRun(data.runs.indexOf(run)).flatMap(
        (group) => group.band.mean.slice(4)) }),
      xaxis: { title: "training FLOPs", tickformat: "~s" } },
    { id: "savings", title: "FLOPs saved at each loss", wide: numBudgets < 2, height: 360,
      note: "against the baseline of the same seed and budget, by the loss that both reached",
      traces: savingBands, format: ".0%", range: [-1, 1],  // beyond, it only says "far worse"
      xaxis: { title: "validation loss", autorange: "reversed" } },
    ...(numBudgets < 2 && frontier.length === 0 ? [] : [{ id: "budgets", title: "Loss against budget", height: 360,
      note: "at the end of each run, learning rate decayed; bars: sample deviation over seeds" +
        (frontier.length > 0 ? "; dotted: the frontier, the best depth from scratch" : ""),
      traces: (run, index) => [...frontierLine(run, index), ...lossByBudget(run, index)],
      xaxis: { title: "training FLOPs", type: "log", tickformat: "~s", dtick: "D2",
               tickangle: 0 } }]),
  ];

  const charts = [
    ...groupCharts,
    { id: "validation", title: "Validation loss", wide: true, height: 460, loss: true,
      note: "nats per predicted token at full depth; dotted: at the stage's depth; double click: all of it",
      traces: validationLoss, columns: (run) => run.evals, labels: true },
    { id: "training", title: "Training loss", wide: true, height: 380, loss: true,
      note: "nats per predicted token at each step's depth; average over 1 % of the run; faint: each step",
      traces: noisy("loss", ".4f"), columns: (run) => run.steps, labels: true },
    ...(hasAccuracy ? [{ id: "accuracy", title: "Masked accuracy", wide: true, height: 300,
      note: "share of masked tokens predicted right, validation data at full depth",
      traces: maskedAccuracy, format: ".0%" }] : []),
    { id: "depth", title: "Depth and stage", height: 300,
      note: "mean depth of the passes; dashed: layers that exist; faint: each step",
      traces: depthAndStage, zero: true },
    { id: "lr", title: "Learning rate", height: 300, note: "as applied", traces: learningRate,
      zero: true, format: ".2~e" },
    { id: "gradient", title: "Gradient norm", height: 300, note: "before clipping",
      traces: noisy("grad_norm", ".3f"), log: true, format: "~g" },
    { id: "speed", title: "Speed", height: 300, note: "tokens per second",
      traces: noisy("tokens_per_s", ".3s"), zero: true, format: "~s" },
    ...(hasUtilisation ? [{ id: "utilisation", title: "Use of the machine", height: 300,
      note: "FLOPs per second as a share of a peak measured at the start",
      traces: noisy("model_flops_utilisation", ".1%"), zero: true, format: ".0%" }] : []),
  ];

  // A loss falls from its start by most of its range within the first steps; the chart shows what
  // comes after, and a double click shows all.
  function lossRange(chart) {
    const values = [];
    data.runs.forEach((run, index) => {
      if (hidden.has(index)) return;
      const loss = chart.columns(run).loss.filter((value) => value !== null);
      values.push(...loss.slice(Math.floor(loss.length * 0.04)));
    });
    if (data.target !== null) values.push(data.target);
    if (values.length === 0) return undefined;
    const low = Math.min(...values);
    const high = Math.max(...values);
    const margin = 0.05 * (high - low || 1);
    const range = [low - margin, high + margin];
    return state.log === "1" ? range.map((value) => Math.log10(Math.max(value, 1e-3))) : range;
  }

  // One range for all charts, so that their growth lines stand below each other.
  function xRange() {
    const shown = data.runs.filter((_, index) => !hidden.has(index));
    const ends = shown.map((run) => xs(run.steps).at(-1));
    return ends.length > 0 ? [0, 1.01 * Math.max(...ends)] : undefined;
  }

  function marks(chart) {
    const shapes = [];
    const annotations = [];
    if (chart.xaxis) return { shapes, annotations };
    const font = { size: 11, color: css("--muted") };
    // Of many runs the labels would cover one another.
    const hasLabels = chart.labels && data.runs.length - hidden.size <= 4;
    const small = (extra) => ({ showarrow: false, font, ...extra });
    data.runs.forEach((run, index) => {
      if (hidden.has(index)) return;
      for (const growth of run.growths) {
        const x = growth[xAxis()] / axes[xAxis()].scale;
        shapes.push({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, layer: "below",
                      opacity: 0.6, line: { color: color(index), width: 1, dash: "dot" } });
        if (hasLabels) {
          annotations.push(small({ x, yref: "paper", y: 1, yanchor: "bottom",
                                   text: `${growth.from}→${growth.to}` }));
        }
      }
    });
    if (chart.id === "validation" && data.target !== null) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.target, y1: data.target,
                    layer: "below", line: { color: css("--baseline"), width: 1, dash: "dash" } });
      annotations.push(small({
        xref: "paper", x: 0.005, xanchor: "left", yanchor: "bottom", yshift: 2,
        y: state.log === "1" ? Math.log10(data.target) : data.target,
        bgcolor: css("--card"), text: `baseline's last loss ${data.target.toFixed(4)}`,
      }));
    }
    return { shapes, annotations };
  }

  function layout(chart) {
    const axis = { gridcolor: css("--grid"), linecolor: css("--line"), zeroline: false,
                   tickfont: { color: css("--muted") }, automargin: true };
    const logarithmic = chart.log || (chart.loss && state.log === "1");
    return {
      height: chart.height, margin: { l: 52, r: 14, t: 26, b: 46 }, hovermode: "x unified",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--ink") },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--muted"), activecolor: css("--ink") },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line") },
      xaxis: { ...axis, showgrid: false, ...(chart.xaxis ?? { tickformat: "~s", hoverformat: ".3s",
                                                              range: xRange() }),
               title: { text: chart.xaxis?.title ?? axes[xAxis()].title,
                        font: { size: 12, color: css("--muted") } } },
      yaxis: { ...axis, type: logarithmic ? "log" : "linear", tickformat: chart.format,
               rangemode: chart.zero ? "tozero" : "normal",
               dtick: chart.log ? "D2" : undefined,
               range: chart.loss ? lossRange(chart) : chart.range },
      ...marks(chart),
    };
  }

  const config = { responsive: true, displaylogo: false,
                   modeBarButtons: [["toImage", "resetScale2d"]] };

  function draw() {
    for (const chart of charts) {
      const traces = drawingOrder.flatMap((index) =>
        (hidden.has(index) ? [] : chart.traces(data.runs[index], index)));
      Plotly.react(chart.element, traces, layout(chart), config);
    }
  }

  // Zooming one chart zooms all: they share their horizontal axis.
  let following = false;
  function followZoom(source, change) {
    const reset = change["xaxis.autorange"];
    if (following || (!reset && change["xaxis.range[0]"] === undefined)) return;
    const update = reset ? { "xaxis.autorange": true }
      : { "xaxis.range": [change["xaxis.range[0]"], change["xaxis.range[1]"]] };
    following = true;
    Promise.all(charts.filter((chart) => chart !== source && !chart.xaxis)
      .map((chart) => Plotly.relayout(chart.element, update)))
      .finally(() => { following = false; });
  }

  function addCharts() {
    const grid = document.getElementById("charts");
    for (const chart of charts) {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const note = document.createElement("small");
      chart.element = document.createElement("div");
      chart.element.id = `chart-${chart.id}`;
      figure.className = chart.wide ? "wide" : "";
      note.textContent = chart.note;
      caption.append(chart.title, note);
      figure.append(caption, chart.element);
      grid.append(figure);
    }
    draw();
    for (const chart of charts) {
      if (chart.xaxis) continue;  // their axis is their own
      chart.element.on("plotly_relayout", (change) => followZoom(chart, change));
    }
  }

  function button(text, pressed, onClick) {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = text;
    element.setAttribute("aria-pressed", pressed);
    element.addEventListener("click", () => onClick(element));
    return element;
  }

  function setState(key, value) {
    state[key] = value;
    history.replaceState(null, "", `#${new URLSearchParams(state)}`);
  }

  function addControls() {
    const group = document.getElementById("axes");
    for (const [key, axis] of Object.entries(axes)) {
      group.append(button(axis.label, key === xAxis(), (pressed) => {
        setState("x", key);
        for (const other of group.children) other.setAttribute("aria-pressed", other === pressed);
        draw();
      }));
    }
    const log = document.getElementById("log");
    log.setAttribute("aria-pressed", state.log === "1");
    log.addEventListener("click", () => {
      setState("log", state.log === "1" ? "0" : "1");
      log.setAttribute("aria-pressed", state.log === "1");
      draw();
    });
    if (data.runs.length < 2) return;
    data.runs.forEach((run, index) => {
      const chip = button("", true, () => {
        if (!hidden.delete(index)) hidden.add(index);
        chip.setAttribute("aria-pressed", !hidden.has(index));
        draw();
      });
      chip.append(document.createElement("i"), run.name + (isBaseline(index) ? " (baseline)" : ""));
      document.getElementById("runs").append(chip);
    });
  }

  function paintChips() {
    document.querySelectorAll("#runs i").forEach((swatch, index) => {
      swatch.style.background = dash(index) === "solid" ? color(index)
        : `repeating-linear-gradient(90deg, ${color(index)} 0 5px, transparent 5px 8px)`;
    });
  }

  const system = matchMedia("(prefers-color-scheme: dark)");
  const themes = ["system", "light", "dark"];
  function applyTheme() {
    const theme = themes.includes(state.theme) ? state.theme : "system";
    document.documentElement.style.colorScheme = theme === "system" ? "light dark" : theme;
    document.getElementById("theme").textContent = `Theme: ${theme}`;
    paintChips();
  }

  addControls();
  applyTheme();
  addCharts();
  system.addEventListener("change", () => { applyTheme(); draw(); });
  document.getElementById("theme").addEventListener("click", () => {
    setState("theme", themes[(themes.indexOf(state.theme ?? "system") + 1) % themes.length]);
    applyTheme();
    draw();
  });
  document.documentElement.dataset.drawn = String(charts.length);
})();
