// Written by web/ui/generate.py from web/drawing.py. Change it there.
export const picture = {
  "width": 1000,
  "height": 540,
  "box": {
    "width": 160,
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
      "x": 800,
      "y": 280,
      "kind": "waits"
    },
    {
      "id": "partially_refunded",
      "x": 640,
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
      "d": "M180 90Q200 90 220 90",
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
      "d": "M380 90Q400 116 420 90",
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
      "d": "M580 90Q600 90 620 90",
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
      "d": "M420 90Q400 64 380 90"
    },
    {
      "source": "approved",
      "target": "completed",
      "events": [
        "complete"
      ],
      "main": true,
      "d": "M780 90Q800 90 820 90",
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
      "d": "M657 436Q791 290 883 114"
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
      "d": "M713 114Q727 197 787 256"
    },
    {
      "source": "completed",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M887 114Q827 173 813 256"
    },
    {
      "source": "partially_refunded",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M661 436Q739 387 779 304"
    },
    {
      "source": "captured_unwanted",
      "target": "refunding",
      "events": [
        "refund"
      ],
      "main": false,
      "d": "M358 436Q554 395 732 304"
    },
    {
      "source": "refunding",
      "target": "partially_refunded",
      "events": [
        "refund_settled",
        "refund_rejected"
      ],
      "main": false,
      "d": "M779 304Q701 353 661 436"
    },
    {
      "source": "refunding",
      "target": "refunded",
      "events": [
        "refund_settled"
      ],
      "main": false,
      "d": "M813 304Q850 370 887 436"
    },
    {
      "source": "refunding",
      "target": "approved",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M787 256Q773 173 713 114"
    },
    {
      "source": "refunding",
      "target": "completed",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M813 256Q873 197 887 114"
    },
    {
      "source": "refunding",
      "target": "captured_unwanted",
      "events": [
        "refund_rejected"
      ],
      "main": false,
      "d": "M732 304Q536 345 358 436"
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
      "d": "M696 114Q670 275 644 436"
    },
    {
      "source": "approved",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M713 114Q800 275 887 436"
    },
    {
      "source": "completed",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M883 114Q749 260 657 436"
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
      "d": "M615 484C595 532 685 532 665 484"
    },
    {
      "source": "partially_refunded",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M720 460Q770 460 820 460"
    },
    {
      "source": "captured_unwanted",
      "target": "partially_refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M370 460Q465 460 560 460"
    },
    {
      "source": "captured_unwanted",
      "target": "refunded",
      "events": [
        "refund_found"
      ],
      "main": false,
      "d": "M370 460Q595 460 820 460"
    }
  ]
} as const;
