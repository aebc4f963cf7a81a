"""Placement of batches: on one device, or split over the devices of one or more processes.

Programs are written for whole batches. If their arrays are sharded over devices, XLA divides the work and reduces over
all devices what a program reduces over a batch: losses, gradients, mean activations, thresholds, counts. Programs that
only compute means over rows are reduced in a single message instead.
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

from isthmus.engine.loading import BatchShard, Chunk

_AXIS = "rows"
_MAX_READERS = 8
# Accelerators have no cache that a chunk should fit in, and each chunk starts a program: `isthmus founding` trains 1.13
# million rows/s on an H200 with this size and 0.86 with 8 MB. With 128 MB, filling the first chunk takes longer than
# the larger ones save.
_ACCELERATOR_CHUNK = 32 << 20


@dataclass(frozen=True)
class Placement:
    """The devices of a run."""

    device: Any = None  # the jax.Device to use, None for JAX's default; with a mesh, for work that is not sharded
    mesh: Mesh | None = None  # devices of this and other processes, over which each batch is sharded

    @classmethod
    def over(cls, devices: list[Any]) -> Placement:
        """Return a placement that shards each batch over devices."""
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        mine = next(device for device in ordered if device.process_index == jax.process_index())
        return cls(mine, Mesh(np.array(ordered), (_AXIS,)))

    @property
    def n_devices(self) -> int:
        """The number of devices that share a batch."""
        return 1 if self.mesh is None else int(self.mesh.size)

    @property
    def on_accelerator(self) -> bool:
        """Whether an accelerator computes, so that the CPUs are free to read ahead."""
        return bool((self.device or jax.local_devices()[0]).platform != "cpu")

    @property
    def readers(self) -> int:
        """The number of threads that read ahead; one if the CPUs compute."""
        return max(1, min(_MAX_READERS, (os.cpu_count() or 1) // 2)) if self.on_accelerator else 1

    @property
    def chunk_bytes(self) -> int | None:
        """The approximate size of a chunk; None for the size that is best on CPUs."""
        return _ACCELERATOR_CHUNK if self.on_accelerator else None

    def shard(self, batch_size: int) -> BatchShard | None:
        """Return the places of each batch that this process fills; None for all of them."""
        if self.mesh is None:
            return None
        each = -(-batch_size // self.n_devices)
        mine = [place for place, one in enumerate(self.mesh.devices.flat) if one.process_index == jax.process_index()]
        return BatchShard(each * self.n_devices, each * mine[0], each * (mine[-1] + 1))

    def upload(self, chunk: Chunk, places: int) -> tuple[Any, ...]:
        """Return a chunk's arrays once they are on their devices.

        Parameters
        ----------
        chunk : Chunk
            The rows at this process's places of each batch.
        places : int
            The number of these places.

        Returns
        -------
        values : jax.Array of shape (n_batches, B, D), or the pieces of sparse rows and of their columns
        rows : jax.Array of shape (n_batches, B)
            The rows' numbers.
        extras : dict of str to jax.Array of shape (n_batches, B, ...)
        """
        by_row = (chunk.values, chunk.rows, dict(chunk.extras))
        sparse = not isinstance(chunk.values, np.ndarray)
        by_row = ((), *by_row[1:]) if sparse else by_row
        host = jax.tree.map(lambda leaf: leaf.reshape(len(chunk.rows) // places, places, *leaf.shape[1:]), by_row)
        host = (chunk.values, *host[1:]) if sparse else host
        uploaded: tuple[Any, ...]
        if self.mesh is None:
            uploaded = jax.device_put(host, self.device)
        else:
            sharded = NamedSharding(self.mesh, PartitionSpec(None, _AXIS))
            uploaded = jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharded, leaf), host)
        # The buffers are written again after this.
        jax.block_until_ready(uploaded)
        return uploaded

    def put(self, tree: Any) -> Any:
        """Return a copy of a tree as device arrays, replicated on all devices."""
        # A copy, since programs donate these buffers. It is made on the host, since on the device each shape would need
        # a compiled program.
        if self.mesh is None:
            return jax.tree.map(lambda leaf: jax.device_put(np.array(leaf), self.device), tree)
        layout: Any = self.replicated
        host = jax.tree.map(np.array, tree)
        return jax.tree.map(
            lambda leaf: jax.make_array_from_callback(leaf.shape, layout, lambda at: leaf[at].copy()), host
        )

    def summed_once(self, means: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of means over rows that reduces over devices in one message.

        Parameters
        ----------
        means : callable
            ``(params, state, batch, noisy, noise, scheduled)`` to a tree of means over the rows of the batch, such as
            the loss and its gradients in the parameters.
        """

        def on_device(params: Any, state: Any, batch: Any, *rest: Any) -> Any:
            # Otherwise differentiation would reduce each gradient in its own message.
            own = jax.lax.pcast(params, _AXIS, to="varying")
            found, whole = ravel_pytree(means(own, state, batch, *rest))
            weight = jnp.sum(batch.weight)
            summed = jax.lax.psum(jnp.append(found * weight, weight), _AXIS)
            return whole(summed[:-1] / jnp.maximum(summed[-1], 1))

        replicated, sharded = PartitionSpec(), PartitionSpec(_AXIS)
        specs = (replicated, replicated, sharded, sharded, replicated, replicated)
        function: Callable[..., Any] = jax.shard_map(on_device, mesh=self.mesh, in_specs=specs, out_specs=replicated)
        return function

    @property
    def replicated(self) -> NamedSharding | None:
        """The sharding of replicated arrays; None on one device."""
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec())
