// Optimizers: a call updates flat arrays in place. The options of an optimizer are a Spec made once; what changes from
// step to step lives in a StepState whose address goes to the kernels.
#include "bindings/cuda_array.h"
#include "bindings/step_state.h"
#include "step_rates.h"

namespace hotloop::bindings {
namespace {

// The arrays of an update: w and the optimizer's state, all of one size and dtype, and the gradient.
struct Update {
  ArrayType type;
  Array g, w, state[3];

  Update(const char* op, py::handle gradient, py::handle weight, std::initializer_list<Argument> states)
      : type(common_type(op, {{"w", weight}})) {
    g = as_array(op, {"g", gradient}, type);
    w = as_writable(op, {"w", weight}, type);
    check_size(op, "g", g);
    Array* next = state;
    for (const Argument& argument : states) {
      *next = as_writable(op, argument, type);
      if (*next) check_size(op, argument.name, *next);
      ++next;
    }
  }

  void check_size(const char* op, const char* name, const Array& array) const {
    if (array.size() != w.size()) {
      value_error(op, text("sizes differ: ", name, " ", array.shape(), ", w ", w.shape()));
    }
  }
};

void require(const char* op, const char* name, const Array& array) {
  if (!array) value_error(op, text(name, " is missing: the options given need it"));
}

void sgd(const SgdSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle velocity) {
  constexpr const char* op = "sgd";
  const Update u(op, g, w, {{"velocity", velocity}});
  if (spec.momentum != 0) require(op, "velocity", u.state[0]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.sgd, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>());
  });
}

void adam(const AdamSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle m, py::handle v,
          py::handle v_max) {
  constexpr const char* op = "adam";
  const Update u(op, g, w, {{"m", m}, {"v", v}, {"v_max", v_max}});
  require(op, "m", u.state[0]);
  require(op, "v", u.state[1]);
  if (spec.amsgrad) require(op, "v_max", u.state[2]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.adam, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>(), u.state[1].data<T>(), u.state[2].data<T>());
  });
}

void nadam(const NadamSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle m, py::handle v) {
  constexpr const char* op = "nadam";
  const Update u(op, g, w, {{"m", m}, {"v", v}});
  require(op, "m", u.state[0]);
  require(op, "v", u.state[1]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.nadam, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>(), u.state[1].data<T>());
  });
}

void rmsprop(const RmspropSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle v, py::handle mean,
             py::handle velocity) {
  constexpr const char* op = "rmsprop";
  const Update u(op, g, w, {{"v", v}, {"mean", mean}, {"velocity", velocity}});
  require(op, "v", u.state[0]);
  if (spec.centered) require(op, "mean", u.state[1]);
  if (spec.momentum != 0) require(op, "velocity", u.state[2]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.rmsprop, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>(), u.state[1].data<T>(), u.state[2].data<T>());
  });
}

void adagrad(const AdagradSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle sum) {
  constexpr const char* op = "adagrad";
  const Update u(op, g, w, {{"sum", sum}});
  require(op, "sum", u.state[0]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.adagrad, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>());
  });
}

void lion(const LionSpec& spec, StepCell& step, py::handle g, py::handle w, py::handle m) {
  constexpr const char* op = "lion";
  const Update u(op, g, w, {{"m", m}});
  require(op, "m", u.state[0]);
  with_backend(u.type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, u.w.size(), backend.lion, spec, step.in(u.type.where), u.w.size(), u.g.data<T>(), u.w.data<T>(),
               u.state[0].data<T>());
  });
}

// The sum of squares of all arrays, added up in their order.
py::float_ square_sum(const py::list& arrays) {
  constexpr const char* op = "square_sum";
  double total = 0;
  for (const py::handle item : arrays) {
    const Argument argument{"array", item};
    const ArrayType type = common_type(op, {argument});
    const Array x = as_array(op, argument, type);
    with_backend(type, [&](const auto& backend) {
      using T = Element<decltype(backend)>;
      if (type.where == Where::cpu) {
        double sum = 0;
        run_elements(op, x.size(), backend.square_sum, x.size(), x.data<T>(), &sum);
        total += sum;
      } else {
        const Array sum = make_array_of(op, type.where, py::dtype::of<double>(), {});
        run(op, backend.square_sum, x.size(), x.data<T>(), sum.data<double>());
        total += *static_cast<const double*>(copy_to_host(op, sum.ndarray()).data());
      }
    });
  }
  return total;
}

void scale(const py::list& arrays, double factor) {
  constexpr const char* op = "scale";
  for (const py::handle item : arrays) {
    const Argument argument{"array", item};
    const ArrayType type = common_type(op, {argument});
    const Array x = as_writable(op, argument, type);
    with_backend(type, [&](const auto& backend) {
      using T = Element<decltype(backend)>;
      run_update(op, x.size(), backend.scale, x.size(), factor, x.data<T>());
    });
  }
}

void bind_specs(py::module_& m) {
  py::class_<StepCell>(m, "StepState")
      .def_readwrite("lr", &StepCell::lr)
      .def_readwrite("step", &StepCell::step)
      .def_readwrite("mu_product", &StepCell::mu_product)
      .def("upload", &StepCell::upload, "Shows a captured step the values; queued, to be called before its replay.");
  m.def("step_state", [] { return StepCell(); });
  py::class_<SgdSpec>(m, "SgdSpec");
  m.def(
      "sgd_spec",
      [](double momentum, double dampening, double weight_decay, bool nesterov) {
        return SgdSpec{momentum, dampening, weight_decay, nesterov};
      },
      py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"));
  py::class_<AdamSpec>(m, "AdamSpec");
  m.def(
      "adam_spec",
      [](double beta1, double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad) {
        return AdamSpec{beta1, beta2, eps, weight_decay, decoupled, amsgrad};
      },
      py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"),
      py::arg("amsgrad"));
  py::class_<NadamSpec>(m, "NadamSpec").def("mu", [](const NadamSpec& spec, int64_t step) {
    return py::float_(nadam_mu(spec, step));
  });
  m.def(
      "nadam_spec",
      [](double beta1, double beta2, double eps, double weight_decay, double momentum_decay) {
        return NadamSpec{beta1, beta2, eps, weight_decay, momentum_decay};
      },
      py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("momentum_decay"));
  py::class_<RmspropSpec>(m, "RmspropSpec");
  m.def(
      "rmsprop_spec",
      [](double alpha, double eps, double weight_decay, double momentum, bool centered) {
        return RmspropSpec{alpha, eps, weight_decay, momentum, centered};
      },
      py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"), py::arg("momentum"), py::arg("centered"));
  py::class_<AdagradSpec>(m, "AdagradSpec");
  m.def(
      "adagrad_spec",
      [](double lr_decay, double weight_decay, double eps) { return AdagradSpec{lr_decay, weight_decay, eps}; },
      py::arg("lr_decay"), py::arg("weight_decay"), py::arg("eps"));
  py::class_<LionSpec>(m, "LionSpec");
  m.def(
      "lion_spec", [](double beta1, double beta2, double weight_decay) { return LionSpec{beta1, beta2, weight_decay}; },
      py::arg("beta1"), py::arg("beta2"), py::arg("weight_decay"));
}

const Family optim_family([](py::module_& m) {
  bind_specs(m);
  const auto none = py::none();
  m.def("sgd", &sgd, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("velocity") = none);
  m.def("adam", &adam, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("m"), py::arg("v"),
        py::arg("v_max") = none);
  m.def("nadam", &nadam, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("m"), py::arg("v"));
  m.def("rmsprop", &rmsprop, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("v"),
        py::arg("mean") = none, py::arg("velocity") = none);
  m.def("adagrad", &adagrad, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("sum"));
  m.def("lion", &lion, py::arg("spec"), py::arg("step"), py::arg("g"), py::arg("w"), py::arg("m"));
  m.def("square_sum", &square_sum, py::arg("arrays"));
  m.def("scale", &scale, py::arg("arrays"), py::arg("factor"));
});

}  // namespace
}  // namespace hotloop::bindings
