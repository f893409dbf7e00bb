// Written by web/ui/generate.py from web/drawing.py. Change it there.
export const picture = {
  "width": 1000,
  "height": 540,
  "box": {
    "width": 164,
    "height": 48
  },
  "states": [
    {
      "id": "created",
      "x": 100,
      "y": 90,
      "kind": "open"
    },
    {
      "id": "ready",
      "x": 300,
      "y": 90,
      "kind": "open"
    },
    {
      "id": "approving",
      "x": 500,
      "y": 90,
      "kind": "waits"
    },
    {
      "id": "approved",
      "x": 700,
      "y": 90,
      "kind": "open"
    },
    {
      "id": "completed",
      "x": 900,
      "y": 90,
      "kind": "open"
    },
    {
      "id": "refunding",
      "x": 770,
      "y": 280,
      "kind": "waits"
    },
    {
      "id": "partially_refunded",
      "x": 600,
      "y": 460,
      "kind": "open"
    },
    {
      "id": "refunded",
      "x": 900,
      "y": 460,
      "kind": "closed"
    },
    {
      "id": "cancelled",
      "x": 100,
      "y": 280,
      "kind": "closed"
    },
    {
      "id": "failed",
      "x": 480,
      "y": 280,
      "kind": "closed"
    },
    {
      "id": "expired",
      "x": 290,
      "y": 280,
      "kind": "closed"
    },
    {
      "id": "captured_unwanted",
      "x": 290,
      "y": 460,
      "kind": "open"
    }
  ],
  "edges": [
    {
      "source": "created",
      "target": "ready",
      "events": [
        "make_ready"
      ],
      "main": true,
      "d": "M182 90Q200 90 218 90",
      "label": {
        "x": 200,
        "y": 56,
        "text": "make_ready"
      }
    },
    {
      "source": "ready",
      "target": "approving",
      "events": [
        "approve"
      ],
      "main": true,
      "d": "M382 90Q400 116 418 90",
      "label": {
        "x": 400,
        "y": 56,
        "text": "approve"
      }
    },
    {
      "source": "approving",
      "target": "approved",
      "events": [
        "approval_confirmed"
      ],
      "main": true,
      "d": "M582 90Q600 90 618 90",
      "label": {
        "x": 600,
        "y": 56,
        "text": "approval_confirmed"
      }
    },
    {
      "source": "approving",
      "target": "failed",
      "events": [
        "approval_declined"
      ],
      "main": false,
      "d": "M497 114Q490 185 483 256"
    },
    {
      "source": "approving",
      "target": "ready",
      "events": [
        "approval_not_taken"
      ],
      "main": false,
      "d": "M418 90Q400 64 382 90"
    },
    {
      "source": "approved",
      "target": "completed",
      "events": [
        "complete"
      ],
      "main": true,
      "d": "M782 90Q800 90 818 90",
      "label": {
        "x": 800,
        "y": 56,
        "text": "complete"
      }
    },
    {
      "source": "partially_refunded",
      "target": "completed",
      "events": [
        "complete"
      ],
      "main": false,
      "d": "M682 449Q890 420 899 114"
    },
    {
      "source": "created",
      "target": "cancelled",
      "events": [
        "cancel"
      ],
      "main": false,
      "d": "M100 114Q100 185 100 256"
    },
    {
      "source": "ready",
      "target": "cancelled",
      "events": [
        "cancel"
      ],
      "main": false,
      "d": "M275 114Q200 185 125 256"
    },
    {
      "source": "created",
      "target": "failed",
      "events": [
        "fail"
      ],
      "main": false,
      "d": "M148 114Q290 185 432 256"
    },
    {
      "source": "ready",
      "target": "failed",
      "events": [
        "fail"
      ],
      "main": false,
      "d": "M323 114Q390 185 457 256"
    },
    {
      "source": "created",
      "target": "expired",
      "events": [
        "expire"
      ],
      "main": false,
      "d": "M124 114Q195 185 266 256"
    },
    {
      "source": "ready",
      "target": "expired",
      "events": [
        "expire"
      ],
      "main": false,
      "d": "M299 114Q295 185 291 256"
    },
    {
      "source": "approved",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M709 114Q711 194 761 256"
    },
    {
      "source": "completed",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M884 114Q814 170 786 256"
    },
    {
      "source": "partially_refunded",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M623 436Q704 388 747 304"
    },
    {
      "source": "captured_unwanted",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M354 436Q539 394 706 304"
    },
    {
      "source": "refunding",
      "target": "partially_refunded",
      "events": [
        "refund_settled",
        "refund_rejected"
      ],
      "main": false,
      "d": "M747 304Q666 352 623 436"
    },
    {
      "source": "refunding",
      "target": "refunded",
      "events": [
        "refund_settled"
      ],
      "main": false,
      "d": "M787 304Q835 370 883 436"
    },
    {
      "source": "refunding",
      "target": "approved",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M761 256Q759 176 709 114"
    },
    {
      "source": "refunding",
      "target": "completed",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M786 256Q856 200 884 114"
    },
    {
      "source": "refunding",
      "target": "captured_unwanted",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M706 304Q521 346 354 436"
    },
    {
      "source": "cancelled",
      "target": "captured_unwanted",
      "events": [
        "charge_found"
      ],
      "main": false,
      "d": "M125 304Q195 370 265 436"
    },
    {
      "source": "failed",
      "target": "captured_unwanted",
      "events": [
        "charge_found"
      ],
      "main": false,
      "d": "M455 304Q385 370 315 436"
    },
    {
      "source": "expired",
      "target": "captured_unwanted",
      "events": [
        "charge_found"
      ],
      "main": false,
      "d": "M290 304Q290 370 290 436"
    },
    {
      "source": "approved",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M694 114Q650 275 606 436"
    },
    {
      "source": "approved",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M758 114Q905 175 900 436"
    },
    {
      "source": "completed",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M902 114Q925 452 682 458"
    },
    {
      "source": "completed",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M900 114Q900 275 900 436"
    },
    {
      "source": "partially_refunded",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M575 484C555 532 645 532 625 484"
    },
    {
      "source": "partially_refunded",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M682 460Q750 460 818 460"
    },
    {
      "source": "captured_unwanted",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M372 460Q445 460 518 460"
    },
    {
      "source": "captured_unwanted",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M372 460Q595 460 818 460"
    }
  ]
} as const;
