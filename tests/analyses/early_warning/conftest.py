import pytest

from analyses.early_warning.scoring import by_setting, calibrate


@pytest.fixture(scope="module")
def coarse_scoring():
    """Few thresholds are tried, and the bootstrap draws seldom."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_setting, "RESAMPLES", 40)
        patch.setattr(calibrate, "THRESHOLDS", 20)
        patch.setattr(calibrate, "COMBINED_FACTORS", (0.5, 1.0, 2.0))
        yield
