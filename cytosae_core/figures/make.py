"""All figures that an atlas, and what was computed from it, allow: one folder, complete or not there at all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.tables import read_result
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.figures import attribution, choose, diseases, inputs, patient_scores, plane, thresholds
from cytosae_core.figures.cells import latent_sheet
from cytosae_core.figures.config import FigureConfig
from cytosae_core.figures.disease_cells import disease_sheets
from cytosae_core.figures.folder import FigureFolder, LeftOut, Made
from cytosae_core.figures.similarity import similarity_figure
from cytosae_core.figures.static import StaticPictures
from cytosae_core.method import GROUPS
from cytosae_core.patients.differential import differential_latents, group_means
from cytosae_core.patients.similarity import patient_similarity
from cytosae_core.progress import Progress, no_progress

Step = tuple[str, Callable[[], None]]


def make_figures(
    config: FigureConfig, out: Path, progress: Progress = no_progress
) -> tuple[tuple[Made, ...], tuple[LeftOut, ...], str]:
    """Write the folder `out`; returns what was made, what was left out and why, and why there are no static pictures.

    A figure is left out where the inputs do not allow it; a damaged atlas is an error. Raises ConfigError where `out`
    exists, ArtifactError for what is no atlas and for a full disk.
    """
    atlases = [LatentAtlas.open(path) for path in (config.atlas, *config.other_atlases)]
    left_out = []
    with workspace(out) as work:
        simulated = any(atlas.simulated for atlas in atlases)
        folder = FigureFolder(work, StaticPictures(wanted=config.static), simulated=simulated)
        steps = list(_Maker(config, atlases, folder).steps())
        for n_done, (title, step) in enumerate(steps, start=1):
            try:
                step()
            except (AnalysisError, ConfigError) as error:
                left_out.append(LeftOut(title, str(error)))
            progress(n_done, len(steps))
        folder.write_index(f"Figures of {atlases[0].atlas_id}", left_out)
    return tuple(folder.made), tuple(left_out), folder.static.problem


@dataclass(frozen=True)
class _Maker:
    """One method per figure; each raises ConfigError or AnalysisError where its inputs are not there."""

    config: FigureConfig
    atlases: list[LatentAtlas]
    folder: FigureFolder

    @property
    def atlas(self) -> LatentAtlas:
        return self.atlases[0]

    def steps(self) -> Iterator[Step]:
        """What is to be made, in the order of the paper."""
        for info in self.atlas.datasets:
            yield f"2A latent plane, {info.name}", lambda name=info.name: self.plane(name)  # type: ignore[misc]
        yield "2A concepts by threshold", self.thresholds
        yield "2B reference images", self.references
        yield "3 patches explained", self.attribution
        yield "4A F1 by threshold", self.f1
        yield "4B confusion matrix", self.confusion
        yield "5A disease against disease", self.diseases
        yield "5B cells of the diseases", self.disease_cells
        yield "similarity of patients", self.similarity

    def plane(self, dataset: str) -> None:
        info = next(info for info in self.atlas.datasets if info.name == dataset)
        figure = plane.latent_plane(
            self.atlas.statistics(dataset), self._labels[dataset], f"Latents on {dataset}",
            activation=self.atlas.manifest.image_activation, label_kind=info.label_kind, simulated=info.simulated,
        )  # fmt: skip
        self.folder.add_figure(f"2A_latent_plane_{dataset}", figure)

    def thresholds(self) -> None:
        """One colour per data set, one dash per atlas."""
        means, looks, colours = {}, {}, list[str]()
        for index, (atlas, path) in enumerate(zip(self.atlases, self._paths, strict=True)):
            own = f"{path.resolve().name} ({index + 1}): " if len(self.atlases) > 1 else ""
            for info in atlas.datasets:
                colours += [info.name] if info.name not in colours else []
                means[f"{own}{info.name}"] = atlas.statistics(info.name)["mean_activation"].to_numpy(float)
                looks[f"{own}{info.name}"] = (colours.index(info.name), index)
        figure = thresholds.threshold_figure(
            thresholds.threshold_counts(means), "Concepts by threshold", simulated=self.folder.simulated, looks=looks
        )
        self.folder.add_figure("2A_concepts_by_threshold", figure)

    def references(self) -> None:
        sheets = [latent_sheet(self.atlas, latent) for latent in self._latents]
        if not any(sheet.has_pictures for sheet in sheets):
            raise ConfigError(f"the atlas has no pictures of latents {self._latents}; build it with --images")
        self.folder.add_sheets("2B_reference_images", "Reference images", sheets, simulated=self.atlas.simulated)

    def attribution(self) -> None:
        config = self.config
        if config.own_image is not None and config.sae is not None:
            # torch is needed here only
            from cytosae_core.figures.own_image import own_image

            image = own_image(
                self.atlas, config.own_image, config.sae,
                backbone=config.backbone, weights=config.weights, block=config.block,
            )  # fmt: skip
        else:
            chosen = config.image or attribution.image_to_explain(self.atlas, self._latents)
            image = attribution.reference_image(self.atlas, chosen)
        sheets = attribution.attribution_sheets(self.atlas, image, config.patches, n_patches=config.n_patches)
        simulated = self.atlas.simulated or image.simulated
        self.folder.add_sheets(
            "3_patches_explained", "What explains patches", sheets, simulated=simulated, maps_on=True
        )

    def f1(self) -> None:
        scores, simulated = self._result("scores")
        self.folder.add_figure("4A_f1_by_threshold", patient_scores.f1_curve(scores, simulated=simulated))

    def confusion(self) -> None:
        scores, simulated = self._result("scores")
        confusion, _ = self._result("confusion")
        method = patient_scores.shown_method(scores)
        self.folder.add_figure("4B_confusion", patient_scores.confusion_figure(confusion, method, simulated=simulated))

    def diseases(self) -> None:
        config, (a, b) = self.config, self._groups
        means = group_means(self._barcodes, a, b, ranking=config.ranking, min_images=config.min_images)
        unit = diseases.UNITS[config.ranking]
        axes = diseases.Axes(a, b, unit if self._barcodes.tokens == "patches" else unit.replace("patches", "tokens"))
        dataset = self._barcodes.dataset
        labels = self._labels[self._class_dataset]
        known = self.atlas.statistics(dataset)[["frequency"]].assign(label=labels + f" ({self._class_dataset})")
        figure = diseases.disease_plane(means, self._marked, known, axes, simulated=self.atlas.simulated)
        self.folder.add_figure("5A_diseases", figure)

    def disease_cells(self) -> None:
        sheets = disease_sheets(self.atlas, self._barcodes, self._marked, self._groups, self.config.n_sheets)
        if not any(sheet.has_pictures for sheet in sheets):
            raise ConfigError("the atlas has no pictures of these latents; build it with --images")
        cohort = next(info for info in self.atlas.datasets if info.name == self._barcodes.dataset)
        whose = "" if cohort.n_pictures else f" · no cell of these patients: the atlas has no pictures of {cohort.name}"
        title = f"Cells: {self._groups[0]} against {self._groups[1]}{whose}"
        self.folder.add_sheets("5B_cells_of_diseases", title, sheets, simulated=self.atlas.simulated)

    def similarity(self) -> None:
        similarity = patient_similarity(self._barcodes.per_image())
        figure = similarity_figure(similarity, self._barcodes.groups, simulated=self.atlas.simulated)
        self.folder.add_figure("patient_similarity", figure)

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self.config.atlas, *self.config.other_atlases)

    @cached_property
    def _labels(self) -> "dict[str, pd.Series[str]]":
        return inputs.top_labels(self.atlas)

    @property
    def _class_dataset(self) -> str:
        """A data set whose labels are classes of cells, which say more than names of patients; else the patients'."""
        return next((info.name for info in self.atlas.datasets if info.label_kind == "class"), self._barcodes.dataset)

    @cached_property
    def _latents(self) -> list[int]:
        config = self.config
        scores = None
        if config.scores is not None:
            table = read_result(config.scores, "monosemanticity")[0]
            scores = table[table["kind"] == "latent"].set_index("direction")["score"]
        labels = self._labels[choose.deciding_dataset(self.atlas)]
        return list(config.latents) or choose.choose_latents(
            self.atlas, config.n_latents, config.order, labels=labels, scores=scores
        )

    @cached_property
    def _barcodes(self) -> Barcodes:
        barcodes = self.atlas.barcodes()
        if barcodes is None:
            raise ConfigError("the atlas has no barcodes; build one of images with patients")
        return barcodes

    @cached_property
    def _groups(self) -> tuple[str, str]:
        known = sorted(self._barcodes.groups["diagnosis"].dropna().unique())
        if self.config.groups is not None:
            return self.config.groups
        if set(GROUPS) <= set(known):
            return GROUPS
        raise ConfigError(f"name two groups with --groups; there are {known}")

    @cached_property
    def _marked(self) -> pd.DataFrame:
        config = self.config
        return differential_latents(
            self._barcodes, *self._groups, n=config.n_marked, ranking=config.ranking, min_images=config.min_images
        )

    def _result(self, name: str) -> tuple[pd.DataFrame, bool]:
        if self.config.results is None:
            raise ConfigError("give --results, the folder that classify_patients.py wrote")
        return read_result(self.config.results, name)
