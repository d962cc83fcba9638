"""The language model: what may see what, what is scored, and that s=1 is a plain Llama."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from model import TokenShuffleForImageGeneration, preset
from model.shuffle import gather_windows
from model.transformer import _draw_windows
from tests.model.conftest import inputs, tiny_model


@torch.no_grad()
def test_window_one_is_a_plain_llama_over_text_and_codes():
    model = tiny_model(positions="sequence", qk_norm=False, num_key_value_heads=2)
    config = model.config
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            intermediate_size=config.intermediate_size,
            num_attention_heads=config.num_attention_heads,
            num_key_value_heads=2,
            head_dim=config.head_dim,
            rms_norm_eps=config.rms_norm_eps,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        )
    ).eval()
    llama.model.load_state_dict(model.model.state_dict())
    prompt, image = inputs()
    joint = torch.cat((prompt, config.text_vocab_size + image.flatten(1)), dim=1)
    wanted = llama(joint).logits[:, prompt.shape[1] - 1 : -1, config.text_vocab_size :]
    output = model(prompt, image_ids=image, shuffle_window=1)
    torch.testing.assert_close(output.logits.flatten(1, 2), wanted, atol=1e-4, rtol=1e-4)
    assert wanted.std() > 0.1
    ended = F.pad(joint, (0, 1), value=config.end_of_image_id)
    scored = [*range(prompt.shape[1] - 1), joint.shape[1] - 1]  # all but the codes, each by the token before it
    text = F.cross_entropy(llama(joint).logits[:, scored].flatten(0, 1), ended[:, 1:][:, scored].flatten())
    torch.testing.assert_close(output.text_loss, text)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_no_window_sees_itself_or_later_ones(window, positions):
    model = tiny_model(positions=positions, window_head="independent")
    prompt, image = inputs()
    before = model(prompt, image_ids=image, shuffle_window=window, compute_loss=False).logits
    for row, column in ((4, 4), (0, 0)):
        changed = image.clone()
        changed[:, row : row + window, column : column + window] += 1
        changed %= 64
        after = model(prompt, image_ids=changed, shuffle_window=window, compute_loss=False).logits
        same = (after - before).abs().amax((0, 3)) < 1e-6
        index = torch.arange(64).reshape(8, 8)
        order = (index // 8 // window) * (8 // window) + index % 8 // window  # window of each code
        assert torch.equal(same, order <= order[row, column])


@pytest.mark.parametrize("window", [2, 4])
def test_causal_window_head_sees_earlier_codes_of_its_window_only(window):
    model = tiny_model(window_head="causal")
    prompt, image = inputs()
    before = model(prompt, image_ids=image, shuffle_window=window, compute_loss=False).logits
    changed = image.clone()
    changed[:, 0, 1] = (changed[:, 0, 1] + 1) % 64  # place 1 of window 0
    after = model(prompt, image_ids=changed, shuffle_window=window, compute_loss=False).logits
    moved = (after - before).abs().amax((0, 3))[:window, :window].flatten() > 1e-6
    assert moved.tolist() == [False, False] + [True] * (window**2 - 2)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_left_padding_changes_nothing(window, positions):
    model = tiny_model(positions=positions)
    prompt, image = inputs()
    plain = model(prompt, image_ids=image, shuffle_window=window)
    padded = torch.cat((torch.zeros(2, 3, dtype=torch.long), prompt), dim=1)
    mask = torch.cat((torch.zeros(2, 3), torch.ones(2, 6)), dim=1).long()
    output = model(padded, mask, image, shuffle_window=window)
    torch.testing.assert_close(output.logits, plain.logits, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(output.loss, plain.loss)


@pytest.mark.parametrize("window", [1, 2])
def test_losses_equal_plain_cross_entropy(window, window_head, monkeypatch):
    monkeypatch.setattr("model.cross_entropy.CHUNK_BYTES", 4 * 64 * 10)  # ten rows a chunk
    model = tiny_model(window_head=window_head, z_loss_weight=0.01, text_loss_weight=0.5)
    prompt, image = inputs()
    output = model(prompt, image_ids=image, shuffle_window=window)
    flat = output.logits.flatten(0, 2)
    torch.testing.assert_close(output.image_loss, F.cross_entropy(flat, image.flatten()))
    torch.testing.assert_close(output.z_loss, flat.logsumexp(-1).square().mean())
    expected = output.image_loss + 0.5 * output.text_loss + 0.01 * output.z_loss
    torch.testing.assert_close(output.loss, expected)


def test_chunked_gradient_equals_autograd(monkeypatch):
    from model.cross_entropy import head_loss

    monkeypatch.setattr("model.cross_entropy.CHUNK_BYTES", 4 * 12 * 5)
    hidden = torch.randn(17, 8, requires_grad=True)
    head = torch.randn(12, 8, requires_grad=True)
    targets = torch.randint(0, 12, (17,))
    (2 * head_loss(hidden, head, targets, 0.1)[0]).backward()
    logits = hidden @ head.t()
    wanted = 2 * (F.cross_entropy(logits, targets) + 0.1 * logits.logsumexp(-1).square().mean())
    for given, true in zip((hidden.grad, head.grad), torch.autograd.grad(wanted, (hidden, head))):
        torch.testing.assert_close(given, true)


def test_logits_of_a_picture_never_exist_at_once(monkeypatch):
    monkeypatch.setattr("model.cross_entropy.CHUNK_BYTES", 4 * 72 * 40)  # 40 of 128 rows a chunk
    rows = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            result = function(*arguments, **(keywords or {}))
            if isinstance(result, torch.Tensor) and result.shape[-1:] == (72,):
                rows.append(result.numel() // 72)
            return result

    model = tiny_model(image_vocab_size=72)  # nothing else is 72 wide
    prompt, image = inputs()
    with Watch():
        model(prompt, image_ids=image, shuffle_window=2, compute_loss=True).loss.backward()
    assert max(rows) == 40


@pytest.mark.parametrize("window", [1, 2, 4, 8])
def test_checkpointed_gradients_are_the_same(window):
    model = tiny_model(shuffle_windows=(1, 2, 4, 8)).train()
    prompt, image = inputs(height=16, width=8)
    gradients, calls = [], []
    model.model.layers[0].register_forward_pre_hook(lambda *_: calls.append(1))
    for switch in (model.activation_checkpointing_disable, model.activation_checkpointing_enable):
        switch()
        model.zero_grad()
        model(prompt, image_ids=image, shuffle_window=window, compute_loss=True).loss.backward()
        gradients.append(model.model.embed_tokens.weight.grad.clone())
    torch.testing.assert_close(*gradients)
    assert len(calls) == 3  # forward, forward, and again in the second backward


def test_losses_without_most_repeats_are_unbiased():
    model = tiny_model()
    prompt, image = inputs(rows=8)
    image[:, :6, :5] = 7  # a ground
    full = model(prompt, image_ids=image, compute_loss=True)
    torch.manual_seed(0)
    for name in ("image_loss", "z_loss"):
        draws = [model(prompt, image_ids=image, compute_loss=True, repeat_fraction=0.25)[name] for _ in range(200)]
        draws = torch.stack(draws)
        assert draws.std() > 0
        assert abs(draws.mean() - full[name]) < 4 * draws.std() / 200**0.5


def test_only_repeats_are_left_out():
    image = torch.zeros(64, 8, 8, dtype=torch.long)
    image[:, 2:6, 2:6] = torch.arange(16).view(4, 4)  # with s=2: four windows in the middle of sixteen
    torch.manual_seed(0)
    index, weights = _draw_windows(gather_windows(image, 2), columns=4, repeat_fraction=0.25)
    often = torch.bincount(index % 16, minlength=16) / 64
    fresh = [0, 5, 6, 9, 10]  # the first window and those of the middle
    assert (often[fresh] == 1).all() and torch.equal(weights == 1, torch.isin(index % 16, torch.tensor(fresh)))
    repeats = [n for n in range(16) if n not in fresh]
    assert (often[repeats] < 0.5).all() and often[repeats].mean().item() == pytest.approx(0.25, abs=0.05)


def test_last_fused_token_predicts_end_of_image():
    prompt, image = inputs()
    with_end, without = tiny_model(), tiny_model(end_of_image_id=None)
    labels = with_end.text_labels(prompt)
    assert labels[:, -1].tolist() == [5, 5] and torch.equal(labels[:, :-1], prompt[:, 1:])
    assert with_end(prompt, image_ids=image).text_loss != without(prompt, image_ids=image).text_loss
    changed = image.clone()
    changed[:, -1, -1] = (changed[:, -1, -1] + 1) % 64  # only the last fused token knows of it
    assert with_end(prompt, image_ids=image).text_loss != with_end(prompt, image_ids=changed).text_loss
    assert without(prompt, image_ids=image).text_loss == without(prompt, image_ids=changed).text_loss


@pytest.mark.parametrize("window", [1, 2, 4])
def test_training_step_under_bf16_autocast(window, window_head):
    model = tiny_model(window_head=window_head, initializer_range=0.02).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    prompt, image = inputs()
    losses = []
    for _ in range(25):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(prompt, image_ids=image, shuffle_window=window, compute_loss=True, repeat_fraction=0.5).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_save_and_load_gives_the_same_logits(tmp_path):
    from transformers import AutoModel

    model = tiny_model(code_width=None)
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    prompt, image = inputs()
    for kind in (TokenShuffleForImageGeneration, AutoModel):
        again = kind.from_pretrained(tmp_path)
        assert again.config.code_width is None
        torch.testing.assert_close(again(prompt, image_ids=image).logits, model(prompt, image_ids=image).logits)


def test_a_picture_must_be_given():
    with pytest.raises(ValueError, match="image_ids is None"):
        tiny_model()(inputs()[0])


def test_unknown_window_is_refused():
    prompt, image = inputs()
    with pytest.raises(ValueError, match=r"shuffle_window is 8.*\[1, 2, 4\]"):
        tiny_model()(prompt, image_ids=image, shuffle_window=8)


def test_small_has_the_stated_size():
    with torch.device("meta"):
        model = TokenShuffleForImageGeneration(preset("small"))
    assert 15e6 < sum(p.numel() for p in {id(p): p for p in model.parameters()}.values()) < 22e6


def test_what_is_read_may_differ_from_what_is_scored():
    model, ids = tiny_model().eval(), torch.randint(0, 64, (1, 8, 8))
    prompt, read = torch.tensor([[5, 6, 7]]), ids.clone()
    read[:, :2, :2] = (read[:, :2, :2] + 1) % 64
    plain = model(prompt, image_ids=ids, shuffle_window=2, compute_loss=False).logits
    assert torch.equal(
        model(prompt, image_ids=ids, context_ids=ids, shuffle_window=2, compute_loss=False).logits, plain
    )
    other = model(prompt, image_ids=ids, context_ids=read, shuffle_window=2, compute_loss=False).logits
    assert torch.equal(other[:, :2, :2], plain[:, :2, :2])  # the window itself is scored as it is
    assert not torch.allclose(other[:, :2, 2:], plain[:, :2, 2:])  # those after it have read another one
