"""Records of runs that never took place."""

from cytosae_core.sae.logs import HELD_OUT
from cytosae_core.sae.observe import StepRecord


def record(step, **values):
    """A step whose figures follow from its number."""
    plain = StepRecord(
        step=step, n_images=4 * step, n_tokens=20 * step, seconds=0.5 * step, loss=3.0 / step, mse=2.0 / step,
        l1=1.0 / step, ghost=0.0, learning_rate=4e-4, l0=100.0 / step, n_dead=step,
    )  # fmt: skip
    return plain._replace(**values)


def figures(step):
    """Held-out figures of a step, by name."""
    return {
        "mse": 1.0 / step, "mse_released": 0.5 / step, "l1": 4.0 / step, "l0": 10.0 / step, "l0_p5": 1.0,
        "l0_p95": 20.0, "explained_variance": 1 - 1 / step, "dead_share": 0.25, "rare_share": 0.125,
        "always_on_share": 0.0, "n_concepts": float(step),
    }  # fmt: skip


def feed(observer, first, last, every=2):
    """Steps first to last, an evaluation and a checkpoint every `every` steps."""
    for step in range(first, last + 1):
        observer.on_step(record(step))
        if step % every == 0:
            observer.on_evaluation(step, figures(step))
            observer.on_checkpoint(step)


def held_out_figures(table):
    """The last figures on the held-out images in a table of a run, by name; none where it never evaluated."""
    columns = [name for name in table.columns if name.startswith(HELD_OUT)]
    evaluated = table.dropna(subset=columns, how="all") if columns else table[:0]
    return {name.removeprefix(HELD_OUT): float(evaluated[name].iloc[-1]) for name in columns if len(evaluated)}
