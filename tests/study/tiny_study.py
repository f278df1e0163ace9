"""A small study with every kind of item, made from protocol values alone: no atlas, no picture files."""

import hashlib

from cytosae_core.study.protocol import Item, Option, Picture, Question, Stage, Stratum, Study, Task, seal

YES_NO = (Option("yes", "Yes", "y"), Option("no", "No", "n"), Option("cannot_judge", "Cannot judge", "u"))


def tiny_study(
    *,
    n_blocks: int = 4,
    n_per_block: int = 5,
    n_repeats: int = 2,
    n_decoys: int = 2,
    n_training: int = 1,
    n_disease: int = 4,
    seed: int = 7,
    simulated: bool = True,
    slug: str = "tiny",
    item_prefix: str = "",
) -> Study:
    """A sealed study: task `concept` in blocks with controls, and task `disease` with a blind and a revealed stage."""
    concept = concept_items(n_blocks, n_per_block, n_repeats, n_decoys, n_training, prefix=item_prefix)
    disease = disease_items(n_disease, prefix=item_prefix)
    return seal(
        Study(
            study_id="",
            title="Tiny study",
            seed=seed,
            created_at="2026-01-02T03:04:05+00:00",
            atlas_id="atlas-0123456789ab",
            sae_id="sae-0123456789ab",
            simulated=simulated,
            datasets=("cells",),
            tasks=(concept_task(), disease_task()) if n_disease else (concept_task(),),
            items=(*concept, *disease),
            strata=tuple(Stratum(k, n_latents=40 + k, n_eligible=30 + k, n_drawn=n_blocks) for k in range(n_per_block)),
        ),
        slug,
    )


def concept_task() -> Task:
    """One stage: is it meaningful, and what is it?"""
    questions = (
        Question("meaningful", "Do these cells share something?", "choice", YES_NO, required=True),
        Question("concept", "What?", "text", required=True, only_if={"meaningful": ("yes",)}),
        Question("terms", "Terms", "several", (Option("nucleus", "Nucleus"), Option("granules", "Granules"))),
        Question("comment", "Comment", "text"),
    )
    return Task("concept", "Concepts", "Look at the cells.", (Stage("concept", "Concept", questions),))


def disease_task() -> Task:
    """Two stages: which group (blind), then specific or not (the direction is told)."""
    groups = (Option("PML_RARA", "PML::RARA"), Option("CBFB_MYH11", "CBFB::MYH11"), Option("neither", "Neither"))
    blind = Stage("blind", "Which group?", (Question("group", "Which group?", "choice", groups, required=True),))
    specific = Question("specific", "Disease-specific?", "choice", YES_NO, required=True)
    comment = Question("comment", "Comment", "text")
    revealed = Stage("revealed", "Specific?", (specific, comment), reveals_direction=True)
    return Task("disease", "Disease", "Look at the cells.", (blind, revealed))


def concept_items(
    n_blocks: int, n_per_block: int, n_repeats: int, n_decoys: int, n_training: int, *, prefix: str = ""
) -> list[Item]:
    """Main items (one per stratum in each block), then repeats, decoys and training items."""
    main = [
        concept_item(f"{prefix}c{block:02d}{stratum:02d}", "main", block, latent=100 * block + stratum, stratum=stratum)
        for block in range(n_blocks)
        for stratum in range(n_per_block)
    ]
    originals = [main[k * len(main) // n_repeats] for k in range(n_repeats)]
    repeats = [
        concept_item(
            f"{prefix}r{k:02d}",
            "repeat",
            one.block,
            pictures=one.pictures,
            latent=one.latent,
            stratum=one.stratum,
            repeat_of=one.item_id,
        )
        for k, one in enumerate(originals)
    ]
    return [
        *main,
        *repeats,
        *(concept_item(f"{prefix}d{k:02d}", "decoy", k % n_blocks) for k in range(n_decoys)),
        *(concept_item(f"{prefix}t{k:02d}", "training", -1, latent=9000 + k) for k in range(n_training)),
    ]


def concept_item(item_id: str, role: str, block: int, *, pictures: tuple[Picture, ...] = (), **more) -> Item:
    """An item of task `concept`, with pictures of its own unless given."""
    return Item(item_id, "concept", role, block, pictures or fake_pictures(item_id), **more)


def disease_items(n: int, *, prefix: str = "") -> list[Item]:
    """Items of task `disease`, the two directions in turn."""
    groups = ("PML_RARA", "CBFB_MYH11")
    return [
        Item(
            f"{prefix}x{k:02d}",
            "disease",
            "main",
            k // 2,
            fake_pictures(f"{prefix}x{k:02d}"),
            latent=5000 + k,
            direction=groups[k % 2],
            rank=k // 2 + 1,
        )
        for k in range(n)
    ]


def fake_pictures(name: str, n: int = 3) -> tuple[Picture, ...]:
    """Pictures whose digests are those of their names; the last one is not on disk."""
    digests = [hashlib.sha256(f"{name}/{rank}".encode()).hexdigest() for rank in range(n)]
    return tuple(
        Picture("cells", rank, f"cells/basophil/{name}_{rank}.png", digest if rank < n - 1 else None)
        for rank, digest in enumerate(digests)
    )


def good_answers(stage_id: str) -> dict[str, str]:
    """Answers that the stage accepts."""
    return {"concept": {"meaningful": "no"}, "blind": {"group": "neither"}, "revealed": {"specific": "no"}}[stage_id]
