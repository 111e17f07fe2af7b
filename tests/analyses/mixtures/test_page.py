from analyses.mixtures import page


def test_pictures_of_a_deep_network_are_of_some_layers_from_the_first_to_the_last():
    assert page._shown(list("abcdefg")) == ["a", "c", "e", "g"]
    assert page._shown(list("abcd")) == list("abcd")
