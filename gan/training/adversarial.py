"""One minibatch of adversarial training after another, and nothing of files or screens."""

from __future__ import annotations

import contextlib
import copy
import warnings
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.gpu import check_precision, float32_convolutions, is_out_of_memory, release_memory, send
from dcgan_features.data.utils.random_streams import LATENT, SAMPLES, STATISTICS, WEIGHTS, stream
from dcgan_features.gan.networks import Discriminator, Generator, draw_latent, scale_images
from dcgan_features.gan.training.compile import Compiler, attempt, compile_networks, default_compiler
from dcgan_features.gan.training.cuda_graphs import Record, Recorded, default_record
from dcgan_features.gan.training.data_parallel import WholeBatch
from dcgan_features.gan.training.dragan import distance_from_one, perturbed
from dcgan_features.gan.training.ema import follow
from dcgan_features.gan.training.losses import LOSSES
from dcgan_features.gan.training.minibatches import Minibatches, instance_noise
from dcgan_features.gan.training.r1_penalty import batch_normalisations, squared_gradients
from dcgan_features.gan.training.recipe import Recipe
from dcgan_features.gan.training.rotation_prediction import rotation_head, turned_count
from dcgan_features.gan.training.spectral_norm import iterate, normalise_weights, plain_copy

Network = TypeVar("Network", bound=nn.Module)
AnyGenerator = TypeVar("AnyGenerator", bound=nn.Module)
AnyDiscriminator = TypeVar("AnyDiscriminator", bound=nn.Module)


@dataclass(frozen=True)
class Losses:
    """Mean losses of one minibatch, of the recipe's kind (cross-entropies are in nats), as 0-d tensors.

    real, fake : the discriminator's on either kind of image; where the loss is of pairs of them, `real` is that.
        generator : of fakes taken for real. penalty, fake_penalty, dragan : the discriminator's for its gradients at
        real images, at fake ones, and around real ones. rotation : its, for telling how images were turned. Each is
        None where it was not computed.
    """

    real: Tensor | None = None
    fake: Tensor | None = None
    generator: Tensor | None = None
    penalty: Tensor | None = None
    fake_penalty: Tensor | None = None
    dragan: Tensor | None = None
    rotation: Tensor | None = None


class Adversaries(Generic[AnyGenerator, AnyDiscriminator]):
    """A generator and a discriminator of whatever kind, their optimisers, and the minibatch they have come to.

    Updates as in the paper, section 4, and the authors' code: minibatches update the generator and the
    discriminator in turn, generator first; real and fake images are normalised separately (two passes); Adam with
    an L2 penalty; the generator's loss is the non-saturating one. A recipe may have it otherwise.

    images : uint8 (n, size, size, channels), at least a minibatch of them; on CUDA they are kept on the device where
        there is room, else minibatches are sent there.
    share : how much of each minibatch is this process's; what several processes come to is the same, up to rounding.
    compiler : backend of torch.compile for both networks; None is `default_compiler`'s choice. Without effect where
        several processes share a minibatch, or the recipe has a gradient penalty: what torch.compile makes cannot be
        differentiated twice.
    record : how minibatches are recorded to be replayed, see `cuda_graphs`; None is `default_record`'s choice. Without
        effect where several processes share a minibatch.
    start : generator and discriminator to begin with, copied; None: networks with random weights.

    averages : by name, the networks' weights averaged over the training so far, if the recipe says so.
    Raises `InputError` where the device lacks the recipe's precision, or several processes cannot do what it says.
    """

    _repeats = True  # whether minibatches differ in nothing but the tensors that an update is given

    def __init__(
        self,
        recipe: Recipe,
        images: NDArray[np.uint8],
        device: torch.device | str = "cpu",
        share: WholeBatch | None = None,
        compiler: Compiler | None = None,
        record: Record | None = None,
        start: tuple[AnyGenerator, AnyDiscriminator] | None = None,
    ) -> None:
        self.recipe, self.device = recipe, torch.device(device)
        check_precision(recipe.precision, self.device)
        self.share = WholeBatch() if share is None else share
        self.steps_done = 0
        weights = stream(recipe.seed, WEIGHTS)
        generator, discriminator = self._networks(weights) if start is None else copy.deepcopy(start)
        discriminator = self._normalise(discriminator, weights)
        head = self._head(discriminator, weights) if recipe.rotation else None
        self._check_processes(discriminator)
        self.averages: dict[str, nn.Module] = {}
        if recipe.averaging:
            for name, network in (("generator", generator), ("discriminator", discriminator)):
                average = plain_copy(network).requires_grad_(False)
                self.averages[name] = average.to(  # type: ignore[call-overload]
                    self.device, memory_format=torch.channels_last
                )
        self.generator, self.discriminator = self._place(generator), self._place(discriminator)
        # Meaningless while two kinds of images alternate; features and shipped weights estimate them anew.
        for layer in self.discriminator.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.track_running_stats = False
        self.networks: tuple[str, ...] = ("generator", "discriminator")
        if head is not None:
            self.networks += ("rotation_head",)
            self.rotation_head = self._place(head)
            self.rotation_head_optimiser = self._optimiser(self.rotation_head)
        compiler = default_compiler(self.device) if compiler is None else compiler
        self.compiled = compiler is not None and self.share.count == 1 and not recipe.penalises_gradients
        if compiler is not None and self.compiled:
            compile_networks([self.generator, self.discriminator], compiler)
        self.generator_optimiser = self._optimiser(self.generator)
        self.discriminator_optimiser = self._optimiser(self.discriminator)
        self.set_rate(recipe.learning_rate)
        self.minibatches = Minibatches(recipe, images, self.device, self.share, self._scale)
        if self.share.count > 1 or not self._repeats:
            record = None
        elif record is None:
            record = default_record(self.device)
        self._record = record
        # On a GPU larger products are quicker; on the CPU joining the images and their maps costs more than it saves.
        self.in_one_pass = self.device.type == "cuda"
        self.forget_recorded()

    def _check_processes(self, discriminator: nn.Module) -> None:
        """Raises `InputError` where the recipe needs the whole minibatch, and several processes share it."""
        if self.share.count == 1:
            return
        if self.recipe.dragan:
            raise InputError(f"'dragan' needs one process, not {self.share.count}; start one")
        if self.recipe.penalises_gradients and batch_normalisations(discriminator):
            name = "gradient_penalty" if self.recipe.gradient_penalty else "fake_gradient_penalty"
            raise InputError(
                f"'{name}' with batch normalisation in the discriminator needs one process, not "
                f"{self.share.count}; start one, or choose a network without it, such as paper-32-spectral"
            )

    def set_rate(self, rate: float) -> None:
        """Train with this learning rate from now on: the generator's, of which the discriminator's is a multiple."""
        for name in self.networks:
            factor = 1.0 if name == "generator" else self.recipe.discriminator_rate
            getattr(self, f"{name}_optimiser").param_groups[0]["lr"] = rate * factor

    def forget_recorded(self) -> None:
        """Do minibatches as they are and record them anew, since tensors or rates that they hold have changed."""
        self._generator_update = Recorded(self._update_generator, self._record)
        self._discriminator_update = Recorded(self._update_discriminator, self._record)

    def _networks(self, weights: torch.Generator) -> tuple[AnyGenerator, AnyDiscriminator]:
        """The two networks, with initial weights drawn from `weights`."""
        raise NotImplementedError

    def _normalise(self, discriminator: AnyDiscriminator, weights: torch.Generator) -> AnyDiscriminator:
        """The discriminator as it is trained, where its specification has its weights normalised."""
        return discriminator

    def _head(self, discriminator: AnyDiscriminator, weights: torch.Generator) -> nn.Linear:
        """What tells rotations by the discriminator's last maps."""
        raise NotImplementedError

    def _generate(self, latent: Tensor) -> Tensor:
        """What the generator makes of this minibatch's z (n, latent_size): (n, channels, height, width), scaled."""
        images: Tensor = self.generator(latent)
        return images

    def _judge(self, images: Tensor) -> Tensor:
        """The discriminator's logits (n,) of this minibatch's real or fake images, scaled."""
        logits: Tensor = self.discriminator(images)
        return logits

    def _judge_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's logits of real and of fake images, normalised apart."""
        return self._judge(real), self._judge(fake)

    def _scale(self, images: Tensor) -> Tensor:
        """Pixels uint8 (n, height, width, channels) to what the networks take, (n, channels, height, width)."""
        return scale_images(images)

    def _place(self, network: Network) -> Network:
        self.share.prepare(network)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network.train()

    def _optimiser(self, network: nn.Module) -> torch.optim.Adam:
        recipe = self.recipe
        return torch.optim.Adam(
            network.parameters(),
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
            fused=True,
            capturable=self.device.type == "cuda",  # so that a graph may hold its updates
        )

    @property
    def final_generator(self) -> AnyGenerator:
        """The generator of which samples are drawn: the average if there is one."""
        return cast(AnyGenerator, self.averages.get("generator", self.generator))

    @property
    def final_discriminator(self) -> AnyDiscriminator:
        """A copy, of plain weights, of the discriminator whose features are wanted: the average if there is one."""
        return cast(AnyDiscriminator, plain_copy(self.averages.get("discriminator", self.discriminator)))

    @property
    def images_seen(self) -> int:
        """Real images in the minibatches done so far."""
        return self.steps_done * self.recipe.batch_size

    def updates_generator(self, step: int) -> bool:
        """Whether minibatch number `step`, from 0, updates the generator; all others update the discriminator."""
        return step % (self.recipe.discriminator_updates + 1) == 0

    def step(self) -> Losses:
        """Do the next minibatch; its losses are those before the update."""
        size = self.recipe.batch_size
        latent = draw_latent(self.recipe.spec, size, stream(self.recipe.seed, LATENT, self.steps_done))
        latent = send(latent[self.share.own(size)], self.device)
        with self.share.at_work(), float32_convolutions(self.device, search=True):
            losses = self._update_with_room(latent)
        self.steps_done += 1
        return losses

    def _update_with_room(self, latent: Tensor) -> Losses:
        """The minibatch; where the GPU's memory does not suffice beside all training images, without them.

        Of several processes none can begin a minibatch again, since the others are in the middle of it.
        """
        try:
            return self._attempt(latent)
        except RuntimeError as error:
            if self.minibatches.resident is None or self.share.count > 1 or not is_out_of_memory(error):
                raise
        # Only here, where the exception is no longer held, are the attempt's tensors free.
        self.minibatches.resident = None
        release_memory()
        warnings.warn(
            "the GPU's memory does not suffice beside the training images; they no longer stay on it", stacklevel=3
        )
        return self._attempt(latent)

    def _attempt(self, latent: Tensor) -> Losses:
        if not self.compiled:
            return self._update(latent)
        losses, self.compiled = attempt([self.generator, self.discriminator], lambda: self._update(latent))
        return losses

    def _update(self, latent: Tensor) -> Losses:
        recipe, step, inputs = self.recipe, self.steps_done, [latent]
        for_generator = self.updates_generator(step)
        if not for_generator or LOSSES[recipe.loss].relativistic:
            inputs.append(self.minibatches.real(step))
        if recipe.instance_noise:
            noise = instance_noise(recipe, step, self.share)
            if len(inputs) > 1:
                inputs[1] = inputs[1] + send(noise[0], self.device)
            inputs.append(send(noise[1], self.device))
        if for_generator:
            return Losses(**self._generator_update(*inputs))
        if recipe.dragan:
            inputs.append(perturbed(inputs[1], recipe.seed, step))
        if recipe.rotation:
            inputs += self.minibatches.turned(step)
        return Losses(**self._discriminator_update(*inputs))

    def _mean(self, losses: Tensor) -> Tensor:
        """The mean over the minibatch, as far as this process's part of it goes."""
        return losses.sum() / self.recipe.batch_size

    def _reduced_precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _update_generator(self, latent: Tensor, *more: Tensor) -> dict[str, Tensor]:
        """More : real images where the loss is relativistic, and the fake ones' noise where there is any."""
        self.discriminator.requires_grad_(False)
        kind = LOSSES[self.recipe.loss]
        with self._reduced_precision():
            fake = self._generate(latent)
            logits = self._judge(fake + more[-1] if self.recipe.instance_noise else fake).float()
            if kind.relativistic:
                with torch.no_grad():
                    real_logits = self._judge(more[0]).float()
                logits = logits - real_logits
        loss = self._mean(kind.generator(logits))
        self.generator_optimiser.zero_grad()
        torch.autograd.backward(loss)
        (loss,) = self.share.add_up(self.generator, loss.detach())
        self.generator_optimiser.step()
        self._updated("generator")
        self.discriminator.requires_grad_(True)
        return {"generator": loss}

    def _update_discriminator(self, latent: Tensor, real: Tensor, *more: Tensor) -> dict[str, Tensor]:
        """More : where the recipe has them, the fake images' noise, perturbed images, turned ones and their turns."""
        given = list(more)
        with self._reduced_precision():
            with torch.no_grad():
                fake = self._generate(latent)
                if self.recipe.instance_noise:
                    fake = fake + given.pop(0)
            real_logits, fake_logits = (logits.float() for logits in self._judge_both(real, fake))
        kind = LOSSES[self.recipe.loss]
        if kind.relativistic:
            losses = {"real": self._mean(kind.real(real_logits - fake_logits))}
        else:
            losses = {"real": self._mean(kind.real(real_logits)), "fake": self._mean(kind.fake(fake_logits))}
        if self.recipe.gradient_penalty:
            squares = squared_gradients(self.discriminator, self._judge, real)
            losses["penalty"] = self._mean(squares) * (self.recipe.gradient_penalty / 2)
        if self.recipe.fake_gradient_penalty:
            squares = squared_gradients(self.discriminator, self._judge, fake.float())
            losses["fake_penalty"] = self._mean(squares) * (self.recipe.fake_gradient_penalty / 2)
        if self.recipe.dragan:
            squares = squared_gradients(self.discriminator, self._judge, given.pop(0))
            losses["dragan"] = self._mean(distance_from_one(squares)) * self.recipe.dragan
        turned = given
        if turned:
            losses["rotation"] = self._rotation_loss(*turned) * self.recipe.rotation
        updated = self.networks[1:]  # all but the generator
        for name in updated:
            getattr(self, f"{name}_optimiser").zero_grad()
        first, *further = losses.values()
        torch.autograd.backward(sum(further, first))
        networks = nn.ModuleList(getattr(self, name) for name in updated)
        means = self.share.add_up(networks, *(loss.detach() for loss in losses.values()))
        for name in updated:
            getattr(self, f"{name}_optimiser").step()
        self._updated("discriminator")
        return dict(zip(losses, means, strict=True))

    def _rotation_loss(self, images: Tensor, turns: Tensor) -> Tensor:
        """The mean cross-entropy of the turns of a minibatch's turned images, as far as this process has them."""
        with self._reduced_precision():
            logits = self.discriminator(images, self.rotation_head)
        return functional.cross_entropy(logits.float(), turns, reduction="sum") / turned_count(self.recipe.batch_size)

    def _updated(self, name: str) -> None:
        """What goes with every update of a network."""
        network = getattr(self, name)
        iterate(network)
        if name in self.averages:
            follow(self.averages[name], network, self.recipe.averaging)

    def sample_latent(self) -> Tensor:
        """The one fixed z of which samples are drawn all along, float32 (sample_count, latent_size), on the CPU."""
        return draw_latent(self.recipe.spec, self.recipe.sample_count, stream(self.recipe.seed, SAMPLES))

    def statistics_latent(self, count: int) -> Tensor:
        """The z on which batch statistics of an averaged generator are estimated, (count, latent_size), on the CPU."""
        return draw_latent(self.recipe.spec, count, stream(self.recipe.seed, STATISTICS))


class AdversarialTraining(Adversaries[Generator, Discriminator]):
    """The training of a DCGAN, without labels."""

    def _networks(self, weights: torch.Generator) -> tuple[Generator, Discriminator]:
        return Generator(self.recipe.spec, weights), Discriminator(self.recipe.spec, weights)

    def _judge_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if not self.in_one_pass:
            return super()._judge_both(real, fake)
        parts = [len(real), len(fake)]
        on_real, on_fake = torch.split(self.discriminator(torch.cat([real, fake]), parts=parts), parts)
        return on_real, on_fake

    def _normalise(self, discriminator: Discriminator, weights: torch.Generator) -> Discriminator:
        return normalise_weights(discriminator, weights)

    def _head(self, discriminator: Discriminator, weights: torch.Generator) -> nn.Linear:
        return rotation_head(discriminator, weights)
