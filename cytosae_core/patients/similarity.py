"""How alike patients are by their barcodes."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from cytosae_core.errors import AnalysisError

FloatArray = NDArray[np.float64]


def patient_similarity(barcodes: NDArray[np.floating]) -> FloatArray:
    """(n_patients, n_patients) cosine similarity of barcodes (n_patients, n_latents) around their common mean.

    Latents that are always on have the same count in everybody; without the mean they would make all patients alike.
    A patient that lies on the mean is like nobody: 0. Raises AnalysisError for fewer than two patients.
    """
    if len(barcodes) < 2:
        raise AnalysisError(f"{len(barcodes)} patients cannot be compared; give at least 2")
    wide = np.asarray(barcodes, dtype=np.float64)
    similarity: FloatArray = np.clip(cosine_similarity(wide - wide.mean(axis=0)), -1.0, 1.0)
    return similarity


def group_similarity(similarity: FloatArray, diagnoses: "pd.Series[str]") -> pd.DataFrame:
    """Columns group, other, n_pairs, mean: mean similarity of pairs of patients within and between groups."""
    names = sorted(diagnoses.dropna().unique())
    rows = []
    for number, group in enumerate(names):
        for other in names[number:]:
            block = similarity[np.ix_((diagnoses == group).to_numpy(), (diagnoses == other).to_numpy())]
            pairs = block[np.triu_indices(len(block), k=1)] if group == other else block.ravel()
            mean = float(pairs.mean()) if len(pairs) else np.nan
            rows.append({"group": group, "other": other, "n_pairs": len(pairs), "mean": mean})
    return pd.DataFrame(rows)


def nearest_patients(similarity: FloatArray, groups: pd.DataFrame) -> pd.DataFrame:
    """Columns patient, diagnosis, nearest, nearest_diagnosis, similarity: the patient most like each (ties: the first).

    `groups` has patient and diagnosis, in the order of `similarity`.
    """
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    nearest = others.argmax(axis=1)
    own = groups.reset_index(drop=True)
    return pd.DataFrame(
        {
            "patient": own["patient"],
            "diagnosis": own["diagnosis"],
            "nearest": own["patient"].to_numpy()[nearest],
            "nearest_diagnosis": own["diagnosis"].to_numpy()[nearest],
            "similarity": others[np.arange(len(own)), nearest],
        }
    )
