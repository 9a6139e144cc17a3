#include "lckv/report/page_parts.h"

namespace lckv::report {

const char* const kPageScript = R"js(
(function () {
  'use strict';

  // 1234567 as "1 234 567"; other numbers with seven digits.
  function text(value) {
    if (value === null) return 'not finite';
    if (Number.isInteger(value) && Math.abs(value) < 1e15) {
      return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
    }
    var size = Math.abs(value);
    return size < 1e-3 || size >= 1e9 ? value.toExponential(4) : String(Number(value.toPrecision(7)));
  }

  // 0 at the axis' start, 1 at its end.
  function place(axis, value) {
    if (!axis.log) return (value - axis.min) / (axis.max - axis.min);
    return Math.log(value / axis.min) / Math.log(axis.max / axis.min);
  }

  // Position in sorted xs of the value next to x.
  function nearest(xs, x) {
    var low = 0, high = xs.length - 1;
    while (high - low > 1) {
      var middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
  }

  function distinct(values) {
    return values.filter(function (value, i) { return values.indexOf(value) === i; });
  }

  function add(parent, tag, name, content) {
    var element = document.createElement(tag);
    if (name) element.className = name;
    if (content !== undefined) element.textContent = content;
    parent.appendChild(element);
    return element;
  }

  function setUp(figure) {
    var data = JSON.parse(figure.querySelector('script.data').textContent);
    var frame = figure.querySelector('.frame');
    var curves = data.curves;
    var groups = distinct(curves.map(function (curve) { return curve.group; }));
    var kinds = distinct(curves.map(function (curve) { return curve.kind; }));
    var hidden = {group: {}, kind: {}};
    var cursor = add(frame, 'div', 'cursor'), tip = add(frame, 'div', 'tip'), spots = [];
    var anchor = null;  // x of the cursor
    tip.setAttribute('role', 'status');
    hide();

    function isShown(curve) {
      return curve.x.length > 0 && !hidden.group[curve.group] && !hidden.kind[curve.kind];
    }

    function hide() {
      anchor = null;
      cursor.hidden = tip.hidden = true;
      spots.splice(0).forEach(function (spot) { spot.remove(); });
    }

    function name(curve) {
      var names = [];
      if (groups.length > 1) names.push(curve.group);
      if (kinds.length > 1) names.push(curve.kind);
      return names.join(', ') || data.y.label;
    }

    function addRow(curve, x) {
      var i = nearest(curve.x, x), y = curve.y[i];
      if (Math.abs(curve.x[i] - x) > (data.x.max - data.x.min) / 100) return;
      var row = add(tip, 'div');
      add(row, 'i', 'disc').style.setProperty('--c', curve.color);
      add(row, 'span', '', name(curve) + (curve.x[i] === x ? '' : ' (' + text(curve.x[i]) + ')'));
      add(row, 'span', 'value', text(y));
      var up = y === null ? NaN : place(data.y, y);
      if (!(up >= 0 && up <= 1)) return;
      var spot = add(frame, 'i', 'spot');
      spot.style.setProperty('--c', curve.color);
      spot.style.left = 100 * place(data.x, curve.x[i]) + '%';
      spot.style.top = 100 * (1 - up) + '%';
      spots.push(spot);
    }

    function show(x) {
      hide();
      anchor = x;
      var across = place(data.x, x);
      cursor.hidden = tip.hidden = false;
      cursor.style.left = 100 * across + '%';
      tip.textContent = '';
      add(tip, 'b', '', data.x.label + ' ' + text(x));
      curves.filter(isShown).forEach(function (curve) { addRow(curve, x); });
      tip.style.left = across < 0.5 ? 'calc(' + 100 * across + '% + 12px)' : 'auto';
      tip.style.right = across < 0.5 ? 'auto' : 'calc(' + 100 * (1 - across) + '% + 12px)';
    }

    // The x of a point of a shown curve that is next to `x`; null when nothing is shown.
    function pointNear(x) {
      var best = null;
      curves.filter(isShown).forEach(function (curve) {
        var own = curve.x[nearest(curve.x, x)];
        if (best === null || Math.abs(own - x) < Math.abs(best - x)) best = own;
      });
      return best;
    }

    function point(event) {
      var box = frame.getBoundingClientRect();
      var across = (event.clientX - box.left) / box.width;
      var x = pointNear(data.x.min + across * (data.x.max - data.x.min));
      if (x === null) hide(); else show(x);
    }

    // The next point to the right (1) or left (-1) of the cursor.
    function step(direction) {
      var best = null;
      curves.filter(isShown).forEach(function (curve) {
        var i = nearest(curve.x, anchor);
        while (i >= 0 && i < curve.x.length && (curve.x[i] - anchor) * direction <= 0) i += direction;
        var x = curve.x[i];
        if (x !== undefined && (best === null || (x - best) * direction < 0)) best = x;
      });
      if (best !== null) show(best);
    }

    frame.addEventListener('pointermove', point);
    frame.addEventListener('pointerdown', point);
    frame.addEventListener('pointerleave', hide);
    frame.addEventListener('blur', hide);
    frame.addEventListener('keydown', function (event) {
      if (event.key === 'Escape') return hide();
      if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return undefined;
      event.preventDefault();
      if (anchor !== null) return step(event.key === 'ArrowRight' ? 1 : -1);
      var first = pointNear(event.key === 'ArrowRight' ? data.x.min : data.x.max);
      if (first !== null) show(first);
      return undefined;
    });

    function refresh() {
      curves.forEach(function (curve, i) {
        var drawn = figure.querySelector('g[data-curve="' + i + '"]');
        drawn.style.display = isShown(curve) ? '' : 'none';
      });
      hide();
    }

    figure.querySelectorAll('.key').forEach(function (key) {
      var isGroup = key.dataset.group !== undefined;
      var which = isGroup ? groups[key.dataset.group] : kinds[key.dataset.kind];
      key.addEventListener('click', function () {
        var off = hidden[isGroup ? 'group' : 'kind'];
        off[which] = !off[which];
        key.setAttribute('aria-pressed', String(!off[which]));
        refresh();
      });
    });
  }

  document.querySelectorAll('figure.chart').forEach(setUp);
})();
)js";

}  // namespace lckv::report
