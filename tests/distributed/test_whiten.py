"""Whitening in parts."""

import pickle

import numpy as np

from hilander.distributed.engine import Run, ThisProcess
from hilander.distributed.whiten import whitened_parts
from hilander.models.general_model import general_model
from hilander.set_whitening import learn_whitening
from tests.distributed.conftest import draw_classes


class Weighing(ThisProcess):
    """Notes how many bytes a scheduler would be sent for each part."""

    def __init__(self):
        self.sent = []

    def call(self, work, arguments):
        self.sent += [len(pickle.dumps(each)) for each in arguments]
        return super().call(work, arguments)


def test_rows_are_whitened_as_on_one_machine_and_what_whitens_them_is_not_sent_with_every_part(run, in_parts):
    embeddings, model = draw_classes(400, d=200), general_model()
    weighing = Weighing()
    whitened, whitening = whitened_parts(
        Run(run.store, weighing), in_parts("identity", embeddings), model, model.settings
    )
    expected = learn_whitening(embeddings, model, model.settings)
    np.testing.assert_array_equal(whitening.transform, expected.transform)
    np.testing.assert_array_equal(whitened.all(), expected(embeddings))
    assert len(weighing.sent) == 3
    assert max(weighing.sent) < expected.transform.nbytes / 10
