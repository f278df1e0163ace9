"""The folder of figures: complete, honest about what is missing or rendered, and readable without a network."""

import dataclasses
import importlib
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from cytosae_core.artifacts.tables import read_result, write_results
from cytosae_core.atlas.attribution import explanation
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.figures import static
from cytosae_core.figures.attribution import Explained, attribution_sheets, reference_image
from cytosae_core.figures.cells import Cell, CellRow, CellSheet, bar_share, latent_sheet
from cytosae_core.figures.choose import choose_latents, strongest_patches
from cytosae_core.figures.config import FigureConfig
from cytosae_core.figures.folder import contact_sheet
from cytosae_core.figures.inputs import top_labels
from cytosae_core.figures.make import make_figures
from cytosae_core.figures.pages import sheets_page
from cytosae_core.figures.style import styled
from cytosae_core.patients.differential import differential_latents
from tests.atlas.tiny import make_tiny_atlas

ROOT = Path(__file__).resolve().parents[2]
NETWORK = re.compile(r"""(?:src|href|url|action)\s*[=(]\s*["']?\s*(?:https?:)?//""")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return make_tiny_atlas(
        tmp_path_factory.mktemp("simulated") / "atlas", with_maps=True, with_barcodes=True, simulated=True
    )


@pytest.fixture(scope="module")
def photographed(tmp_path_factory):
    return make_tiny_atlas(tmp_path_factory.mktemp("real") / "atlas", n_latents=40, seed=3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    methods = {"method": ["probe, t = -3", "majority class"], "family": ["probe at the paper's t", "baseline"]}
    scores = pd.DataFrame(methods | {"reading": ["samples", None], "threshold": [-3.0, None]})
    scores = scores.assign(weighted_f1=0.5, weighted_f1_sd_folds=0.1)
    pairs = {"group": ["a", "a", "b", "b"], "predicted": ["a", "b", "a", "b"]}
    confusion = pd.DataFrame(pairs | {"n_mean": 1.0, "n_sd": 0.0, "share": 0.5}).assign(method="probe, t = -3")
    folder = tmp_path_factory.mktemp("results") / "classified"
    return write_results(folder, {"scores": scores, "confusion": confusion}, {}, simulated=True)


@pytest.fixture(scope="module")
def made(simulated, results, tmp_path_factory):
    """All figures of the SIMULATED atlas: the folder, what was made, what was left out, why nothing is static."""
    out = tmp_path_factory.mktemp("figures") / "out"
    config = FigureConfig(atlas=simulated.path, results=results, n_latents=2, n_marked=6, n_sheets=1, static=False)
    return out, *make_figures(config, out)


def test_every_figure_is_made_or_left_out_with_its_reason(made):
    out, figures, left_out, _ = made
    assert [one.name for one in figures] == [
        "2A_latent_plane_mll23", "2A_latent_plane_acevedo", "2A_concepts_by_threshold", "2B_reference_images",
        "4A_f1_by_threshold", "4B_confusion", "5A_diseases", "5B_cells_of_diseases", "patient_similarity",
    ]  # fmt: skip
    assert [one.title for one in left_out] == ["3 patches explained"]
    assert "keeps patches of no image" in left_out[0].reason
    index = (out / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{file}"' in index for one in figures for file in one.files[:1])
    assert "keeps patches of no image" in index
    assert not [file for one in figures for file in one.files if not (out / file).is_file()]


def test_every_page_says_what_it_is_and_needs_no_network(made):
    out, *_ = made
    pages = sorted(out.glob("*.html"))
    assert len(pages) == 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "SIMULATED" in re.search(r"<title>(.*?)</title>", text).group(1)
        assert "Research use only. Not for diagnosis." in text
        assert not NETWORK.search(text), page.name
        assert ("Plotly.newPlot" in text) == ('"showSendToCloud": false' in text), page.name
        for target in re.findall(r'(?:src|href)="([^"#]+)"', text):
            assert target.startswith("data:") or (out / target).is_file(), target


def test_cells_of_other_people_are_not_called_those_of_the_patients(simulated, made, monkeypatch, tmp_path):
    said = "no cell of these patients: the atlas has no pictures of acevedo"
    assert said not in (made[0] / "5B_cells_of_diseases.html").read_text(encoding="utf-8")
    datasets = tuple(
        dataclasses.replace(info, n_pictures=0) if info.name == "acevedo" else info for info in simulated.datasets
    )
    monkeypatch.setattr(type(simulated), "datasets", property(lambda _: datasets))
    make_figures(FigureConfig(atlas=simulated.path, latents=(1,), n_sheets=1, static=False), tmp_path / "out")
    assert said in (tmp_path / "out" / "5B_cells_of_diseases.html").read_text(encoding="utf-8")


def test_a_data_set_of_photographs_beside_simulated_patients_is_not_called_simulated(simulated, monkeypatch, tmp_path):
    datasets = tuple(dataclasses.replace(info, simulated=info.name == "acevedo") for info in simulated.datasets)
    monkeypatch.setattr(type(simulated), "datasets", property(lambda _: datasets))
    make_figures(FigureConfig(atlas=simulated.path, latents=(1,), n_sheets=1, static=False), tmp_path / "out")
    planes = [tmp_path / "out" / f"2A_latent_plane_{info.name}.html" for info in datasets]
    assert ["SIMULATED" in plane.read_text(encoding="utf-8") for plane in planes] == [False, True]


def test_the_marked_cells_are_the_first_of_the_ranking(made, simulated):
    out, *_ = made
    ranking = differential_latents(simulated.barcodes(), "CBFB::MYH11", "PML::RARA", n=6)
    expected = ranking.loc[ranking["rank"] == 1, "latent"].tolist()
    page = (out / "5B_cells_of_diseases.html").read_text(encoding="utf-8")
    assert sorted(map(int, re.findall(r'id="latent_(\d+)"', page))) == sorted(expected)


def test_an_atlas_of_photographs_is_not_called_simulated_even_beside_one_that_is(photographed, simulated, tmp_path):
    config = FigureConfig(
        atlas=photographed.path, other_atlases=(simulated.path,), latents=(0, 1), n_latents=1, static=False
    )
    make_figures(config, tmp_path / "out")
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (tmp_path / "out").glob("*.html")}
    assert {name for name, text in pages.items() if "SIMULATED" in text} == {"2A_concepts_by_threshold", "index"}


def test_only_the_named_latents_are_shown(photographed, tmp_path):
    make_figures(FigureConfig(atlas=photographed.path, latents=(3, 1), static=False), tmp_path / "out")
    page = (tmp_path / "out" / "2B_reference_images.html").read_text(encoding="utf-8")
    assert re.findall(r'id="latent_(\d+)"', page) == ["3", "1"]
    assert len(list((tmp_path / "out" / "sheets").iterdir())) == 2


def test_a_folder_that_exists_is_never_overwritten(photographed, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="never overwritten"):
        make_figures(FigureConfig(atlas=photographed.path, static=False), tmp_path / "out")


def test_without_a_renderer_the_pages_are_complete_and_a_sentence_says_so(photographed, tmp_path, monkeypatch):
    monkeypatch.setattr(static, "has_kaleido", lambda: False)
    figures, _, problem = make_figures(FigureConfig(atlas=photographed.path, latents=(1,)), tmp_path / "out")
    assert "kaleido is not installed (for PNG and SVG: pip install kaleido" in problem
    assert figures[0].files == ("2A_latent_plane_mll23.html",)
    assert "kaleido is not installed" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


class FakeRenderer:
    """Stands for the renderer: writes, or fails after the first picture."""

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def __call__(self, figures, places, **options):
        self.asked.append(options)
        places[0].write_bytes(b"plotted")
        if self.error:
            raise self.error
        places[1].write_bytes(b"plotted")


FIGURE = go.Figure(go.Scatter(y=[1, 2]), layout={"width": 300, "height": 200})


def pictures_by(renderer, monkeypatch):
    monkeypatch.setattr(static, "has_kaleido", lambda: True)
    monkeypatch.setattr(static.plotly.io, "write_images", renderer)
    return static.StaticPictures()


def test_a_renderer_writes_each_format_in_the_size_of_the_figure(tmp_path, monkeypatch):
    renderer = FakeRenderer()
    pictures = pictures_by(renderer, monkeypatch)
    assert pictures.write(FIGURE, tmp_path / "a.html") == [tmp_path / "a.png", tmp_path / "a.svg"]
    assert (renderer.asked[0]["width"], renderer.asked[0]["height"]) == (300, 200)
    assert pictures.problem == ""


def test_a_renderer_that_fails_is_asked_once_quoted_in_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    broken = FakeRenderer(RuntimeError("\n\nno browser\n  here"))
    pictures = pictures_by(broken, monkeypatch)
    assert pictures.write(FIGURE, tmp_path / "a.html") == pictures.write(FIGURE, tmp_path / "b.html") == []
    assert len(broken.asked) == 1
    assert "(RuntimeError: no browser here); for PNG and SVG: pip install kaleido" in pictures.problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not static.has_kaleido(), reason="kaleido is not installed")
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_kaleido_and_chromium_make_a_figure_as_png_and_svg(tmp_path):
    pictures = static.StaticPictures()
    styled(FIGURE, "CBFB::MYH11 & others", simulated=True, width=300, height=200)
    png, svg = pictures.write(FIGURE, tmp_path / "a.html")
    assert pictures.problem == ""
    with Image.open(png) as image:
        assert image.size == (600, 400)
    plotted = svg.read_text(encoding="utf-8")
    assert "SIMULATED · CBFB::MYH11 &amp; others" in plotted
    assert "Research use only" in plotted


def test_the_top_label_is_the_one_with_the_largest_summed_activation(simulated):
    found = top_labels(simulated)["acevedo"]
    for latent in range(simulated.n_latents):
        references = simulated.references(latent, "acevedo")
        if references.empty:
            assert latent not in found.index
            continue
        sums = {}
        for label, value in zip(references["label"], references["activation"], strict=True):
            sums[label] = sums.get(label, 0.0) + float(value)
        assert sums[found[latent]] == pytest.approx(max(sums.values()))


def test_latents_are_chosen_of_every_label_in_turn(simulated):
    labels = top_labels(simulated)["mll23"]
    chosen = choose_latents(simulated, 5, labels=labels)
    assert len(set(labels[chosen])) == min(5, labels.nunique())
    strongest = choose_latents(simulated, 4, "mean_activation")
    means = simulated.statistics("mll23")["mean_activation"]
    assert means[strongest].is_monotonic_decreasing
    assert (means[strongest] > 1e-3).all()
    assert (means[strongest] <= 0.1).all()


def test_a_score_decides_where_one_is_asked_for(simulated):
    scores = pd.Series(np.linspace(0, 1, 120)).rename_axis("latent")
    assert choose_latents(simulated, 6, "score", scores=scores) == sorted(
        choose_latents(simulated, 6, "score", scores=scores), reverse=True
    )
    with pytest.raises(ConfigError, match="--order score needs --scores"):
        choose_latents(simulated, 1, "score")


def test_patches_are_chosen_by_strength_each_of_another_latent():
    latents = np.array([[5, 1], [5, 2], [7, -1], [-1, -1]])
    values = np.array([[0.5, 0.1], [0.9, 0.1], [0.2, 0.0], [0.0, 0.0]])
    assert strongest_patches(latents, values, 4) == [(0, 1), (1, 0)]


def explained(atlas, image_id="mll23/none.png"):
    values = np.array([0.9, 0.4])
    return Explained(
        name=image_id, picture=np.zeros((32, 32, 3), np.uint8), grid=16, strongest=lambda n: [(2, 3), (4, 5)][:n],
        explain=lambda row, col, n: explanation(atlas, np.array([1, 2])[:n], values[:n]),
        map=lambda latent: np.full((16, 16), 5.0, np.float32),
    )  # fmt: skip


def test_a_patch_is_explained_by_its_latents_in_their_order_on_one_scale(simulated):
    head, first, second = attribution_sheets(simulated, explained(simulated), (), n_patches=2)
    assert head.rows[0].cells[1].boxes == ((2, 3), (4, 5))
    assert [row.heading.split(" · ")[0] for row in first.rows] == ["latent 1", "latent 2"]
    assert second.note == "row 4, column 5"
    for row in first.rows:
        assert {cell.scale for cell in row.cells} == {5.0}
        assert row.cells[0].boxes == ((2, 3),)


def test_the_image_itself_is_not_among_its_references(simulated):
    own = simulated.references(1)["image_id"].iloc[0]
    sheets = attribution_sheets(simulated, explained(simulated, own), [(0, 0)])
    assert not any(own in cell.tip for row in sheets[1].rows for cell in row.cells[1:])


def test_an_image_without_patches_says_what_to_do(simulated):
    with pytest.raises(ConfigError, match="--own-image and --sae"):
        reference_image(simulated, "mll23/basophil/0000.png")
    with pytest.raises(ConfigError, match="give --sae"):
        FigureConfig(atlas=simulated.path, own_image=Path("x.png"))


def test_captions_of_cells_are_escaped_and_missing_pictures_are_frames():
    evil = '"><script>alert(1)</script>'
    row = CellRow(evil, (Cell(None, evil, evil), Cell(np.zeros((8, 8, 3), np.uint8), evil, evil)))
    page = sheets_page("t", [CellSheet(evil, evil, (row,), "a")], str, simulated=False, maps_on=False)
    assert "<script" not in page
    assert page.count("no picture") == 1


def test_a_sheet_shows_each_reference_of_each_data_set_and_its_picture(simulated):
    sheet = latent_sheet(simulated, 1)
    for row, info in zip(sheet.rows, simulated.datasets, strict=True):
        references = simulated.references(1, info.name)
        assert len(row.cells) == len(references)
        assert [cell.picture is None for cell in row.cells] == references["picture"].isna().tolist()
    assert contact_sheet(sheet, simulated=True).ndim == 3


def test_a_scale_bar_is_ten_micrometres_and_only_where_the_scale_is_known():
    cells = (Cell(np.zeros((200, 400, 3), np.uint8)),)
    assert bar_share(CellRow("", cells, 0.1)) == pytest.approx(0.25)
    assert bar_share(CellRow("", cells, None)) == 0.0
    assert bar_share(CellRow("", cells, 0.01)) == 0.0


def test_a_folder_without_results_is_refused(results, tmp_path):
    with pytest.raises(ArtifactError, match=re.escape("there is no settings.json")):
        read_result(tmp_path, "scores")
    with pytest.raises(ArtifactError, match=re.escape("has no table other_SIMULATED.csv")):
        read_result(results, "other")


def test_contact_sheets_can_be_opened(made):
    out, figures, _, _ = made
    sheets = [file for one in figures for file in one.files if file.startswith("sheets/")]
    assert len(sheets) == 4
    with Image.open(out / sheets[0]) as image:
        assert min(image.size) > 100


def test_the_script_says_what_it_made_and_what_not(photographed, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module("make_figures")
    script.main(script.Config(atlas=photographed.path, latents=(1,), out=tmp_path / "out", static=False))
    said = capsys.readouterr().out
    assert f"{tmp_path / 'out' / '2B_reference_images.html'}\n" in said
    assert "left out: 5A disease against disease: the atlas has no barcodes" in said
