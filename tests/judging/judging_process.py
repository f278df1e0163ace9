"""A rater as a process: judges until all is done, and says each receipt on standard output once it has it.

python -m tests.judging.judging_process DATABASE STUDY_ID RATER_ID
"""

import sys
from datetime import timedelta

from cytosae_core.errors import SubmitRefusedError
from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository, utcnow
from tests.study.tiny_study import good_answers


class HurryingClock:
    """Real time, with a second more at each look, so that nobody has to wait 400 ms."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        self.ahead += timedelta(seconds=1)
        return utcnow() + self.ahead


def judge_all(repository, study_id, rater_id, say):
    """Judge what comes until nothing comes; what another process saved first is passed over."""
    study = repository.studies.load(study_id)
    while turn := repository.desk.current(rater_id, study_id, "concept"):
        try:
            digest = study.item(turn.item_id).pictures_digest
            shown = repository.desk.present(rater_id, study_id, turn.item_id, turn.stage_id, digest, "process")
            if shown.revision == 1:
                say(repository.judgements.submit(rater_id, shown.nonce, good_answers(turn.stage_id)).judgement_id)
        except SubmitRefusedError:
            continue


if __name__ == "__main__":
    database, study_id, rater_id = sys.argv[1:]
    print("ready", flush=True)
    judge_all(
        Repository(open_engine(database), HurryingClock()),
        study_id,
        rater_id,
        lambda receipt: print(receipt, flush=True),
    )
