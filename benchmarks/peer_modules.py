"""The modules of JoeyNMT and OpenNMT-py as systems to time; both packages live in the peers' interpreter."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.systems import Sizes, System, Words, training_operations


class JoeyNMT(System):
    """JoeyNMT's embeddings, recurrent encoder, decoder (additive attention, input feeding: its defaults) and loss."""

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        from joeynmt.decoders import RecurrentDecoder
        from joeynmt.embeddings import Embeddings
        from joeynmt.encoders import RecurrentEncoder
        from joeynmt.loss import XentLoss

        self.sizes = sizes
        embeddings = [
            Embeddings(embedding_dim=sizes.embedding, vocab_size=sizes.vocabulary, padding_idx=0) for _ in range(2)
        ]
        encoder = RecurrentEncoder(hidden_size=sizes.hidden, emb_size=sizes.embedding)
        decoder = RecurrentDecoder(
            emb_size=sizes.embedding, hidden_size=sizes.hidden, encoder=encoder, vocab_size=sizes.vocabulary
        )
        self.parts = (*embeddings, encoder, decoder)
        self.model = nn.ModuleList(self.parts)
        self.cross_entropy = XentLoss(pad_index=0, smoothing=0.0)

    def loss(self, words: Words) -> Tensor:
        source_embedding, target_embedding, encoder, decoder = self.parts
        mask_B1S = torch.ones_like(words.source_BS, dtype=torch.bool).unsqueeze(1)
        states, last = encoder(source_embedding(words.source_BS), mask_B1S.sum(-1).squeeze(1), mask_B1S)
        logits_BTV, *_ = decoder(
            trg_embed=target_embedding(words.target_in_BT),
            encoder_output=states,
            encoder_hidden=last,
            src_mask=mask_B1S,
            unroll_steps=words.target_in_BT.shape[1],
        )
        loss: Tensor = self.cross_entropy(torch.log_softmax(logits_BTV, dim=-1), trg=words.target_out_BT)
        return loss

    def operations(self, source: int, target: int) -> float:
        m, h, v = self.sizes.embedding, self.sizes.hidden, self.sizes.vocabulary
        e = 2 * h
        return training_operations(
            source=source,
            target=target,
            per_source=2 * (m + h) * 3 * h + e * h,
            per_target=(m + h + h) * 3 * h + h * h + (h + e) * h + h * v,
            per_pair=h + e,
            once=e * h,
        )


class OpenNMT(System):
    """OpenNMT-py's embeddings, encoder, input-feeding decoder and generator.

    Its bidirectional encoder has half the units a direction, and its default attention is ``general``; ``mlp`` is the
    additive one, which computes the keys anew at each step.
    """

    def __init__(self, sizes: Sizes, options: dict[str, Any]) -> None:
        from onmt.decoders.decoder import InputFeedRNNDecoder
        from onmt.encoders.rnn_encoder import RNNEncoder
        from onmt.models import NMTModel
        from onmt.modules import Embeddings

        self.sizes, self.attention = sizes, options.get("opennmt_attention", "general")
        embeddings = [Embeddings(sizes.embedding, sizes.vocabulary, word_padding_idx=0) for _ in range(2)]
        encoder = RNNEncoder("GRU", True, 1, sizes.hidden, embeddings=embeddings[0])
        decoder = InputFeedRNNDecoder("GRU", True, 1, sizes.hidden, attn_type=self.attention, embeddings=embeddings[1])
        self.model = NMTModel(encoder, decoder)
        self.generator = self.model.generator = nn.Linear(sizes.hidden, sizes.vocabulary)
        for parameter in self.model.parameters():  # its embeddings come uninitialised
            nn.init.uniform_(parameter, -0.1, 0.1)

    def loss(self, words: Words) -> Tensor:
        lengths_B = torch.full(words.source_BS.shape[:1], words.source_BS.shape[1], device=words.source_BS.device)
        begun_BT = torch.cat([words.target_in_BT, words.target_out_BT[:, -1:]], dim=1)  # the model drops the last
        outputs_BTH, _ = self.model(words.source_BS.unsqueeze(-1), begun_BT.unsqueeze(-1), lengths_B)
        logits_NV = self.generator(outputs_BTH.flatten(0, 1))
        return nn.functional.cross_entropy(logits_NV, words.target_out_BT.flatten(), ignore_index=0, reduction="sum")

    def operations(self, source: int, target: int) -> float:
        m, h, v = self.sizes.embedding, self.sizes.hidden, self.sizes.vocabulary
        additive = self.attention == "mlp"
        return training_operations(
            source=source,
            target=target,
            per_source=2 * (m + h // 2) * 3 * (h // 2),
            per_target=(m + h + h) * 3 * h + (0 if self.attention == "dot" else h * h) + 2 * h * h + h * v,
            per_pair=2 * h + (h * h if additive else 0),
            once=0,
        )
