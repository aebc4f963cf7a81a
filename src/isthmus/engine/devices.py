"""Where batches are computed: on one device, or each batch shared out over the devices of one or more processes.

Programs are written for whole batches. Handed arrays that are spread over devices, XLA divides the work and adds up
over all of them whatever is added up over a batch: losses, gradients, mean activations, thresholds, counts. Where
nothing but means over rows is added up, devices do so themselves, all at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from isthmus.engine.loading import BatchShard, Chunk

_AXIS = "rows"
_MOST_READERS = 8
# There is no cache to stay in, and each chunk is a program to start and to wait for: the founding network takes 1.13
# million rows/s on an H200 for 0.86 with 8 MB; with 128 MB, filling the first one takes longer than is gained.
_ACCELERATOR_CHUNK = 32 << 20


@dataclass(frozen=True)
class Placement:
    """The devices of a run.

    Parameters
    ----------
    device : jax.Device or None
        Where to compute, None being JAX's default; of several devices, the one that does what is not shared out.
    mesh : jax.sharding.Mesh or None
        Devices, of this process and of others, over which each batch is shared out.
    """

    device: Any = None
    mesh: Mesh | None = None

    @classmethod
    def over(cls, devices: list[Any]) -> Placement:
        """Return a placement that shares each batch out over devices."""
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        mine = next(device for device in ordered if device.process_index == jax.process_index())
        return cls(mine, Mesh(np.array(ordered), (_AXIS,)))

    @property
    def n_devices(self) -> int:
        """How many devices share a batch."""
        return 1 if self.mesh is None else int(self.mesh.size)

    @property
    def computes_elsewhere(self) -> bool:
        """Whether an accelerator computes and processors have nothing to do but to read ahead."""
        return bool((self.device or jax.local_devices()[0]).platform != "cpu")

    @property
    def readers(self) -> int:
        """How many threads read ahead; one where the computation takes the processors."""
        return max(1, min(_MOST_READERS, (os.cpu_count() or 1) // 2)) if self.computes_elsewhere else 1

    @property
    def chunk_bytes(self) -> int | None:
        """About how large a chunk is; None for what is best on processors."""
        return _ACCELERATOR_CHUNK if self.computes_elsewhere else None

    def shard(self, batch_size: int) -> BatchShard | None:
        """Return the places of each batch that this process fills, None for all of them."""
        if self.mesh is None:
            return None
        each = -(-batch_size // self.n_devices)
        mine = [place for place, one in enumerate(self.mesh.devices.flat) if one.process_index == jax.process_index()]
        return BatchShard(each * self.n_devices, each * mine[0], each * (mine[-1] + 1))

    def upload(self, chunk: Chunk, shard: int) -> tuple[jax.Array, jax.Array]:
        """Return a chunk's values (n_batches, B, D) and row numbers (n_batches, B) once they are on their devices.

        Parameters
        ----------
        chunk : Chunk
            Of this process's places alone.
        lanes : int
            How many of a batch's places these are.
        """
        shape = (len(chunk.rows) // shard, shard)
        values, rows = chunk.values.reshape(*shape, -1), chunk.rows.reshape(shape)
        if self.mesh is None:
            uploaded: tuple[jax.Array, jax.Array] = jax.device_put((values, rows), self.device)
        else:
            spread = NamedSharding(self.mesh, PartitionSpec(None, _AXIS))
            uploaded = (
                jax.make_array_from_process_local_data(spread, values),
                jax.make_array_from_process_local_data(spread, rows),
            )
        # Until then the buffers must not be written to.
        jax.block_until_ready(uploaded)
        return uploaded

    def put(self, tree: Any) -> Any:
        """Return a tree as device arrays of its own, the same on all devices."""
        # A copy: programs donate these buffers, and the caller's arrays must not go with them. It is made on the host:
        # on the device each shape would compile a program for it.
        if self.mesh is None:
            return jax.tree.map(lambda leaf: jax.device_put(np.array(leaf), self.device), tree)
        return jax.tree.map(self._everywhere, tree)

    def _everywhere(self, leaf: Any) -> jax.Array:
        values: NDArray[Any] = np.array(leaf)
        layout: Any = self.replicated
        return jax.make_array_from_callback(values.shape, layout, lambda place: values[place].copy())

    def summed_once(self, means: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that gives means over rows, of which devices sum up their shares in one message.

        Parameters
        ----------
        means : callable
            ``(params, state, batch, noisy, noise, dials)`` to a tree of means over the rows of the batch, slopes in
            the parameters among them.
        """

        def of_mine(params: Any, state: Any, batch: Any, *rest: Any) -> Any:
            # Else each slope would be summed by itself, where it leaves the differentiation.
            own = jax.lax.pcast(params, _AXIS, to="varying")
            found, whole = ravel_pytree(means(own, state, batch, *rest))
            weight = jnp.sum(batch.weight)
            summed = jax.lax.psum(jnp.append(found * weight, weight), _AXIS)
            return whole(summed[:-1] / jnp.maximum(summed[-1], 1))

        alike, spread = PartitionSpec(), PartitionSpec(_AXIS)
        places = (alike, alike, spread, spread, alike, alike)
        function: Callable[..., Any] = jax.shard_map(of_mine, mesh=self.mesh, in_specs=places, out_specs=alike)
        return function

    @property
    def replicated(self) -> NamedSharding | None:
        """How what all devices have alike is laid out; None where there is one device."""
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec())
