// Which axes of the lattice (0 head, 1 back, 2 left) each plane has, and how it lies on a screen:
// feet below, face above, the patient's left at the right hand.
export const PLANES = {
  axial: { name: 'Axial', through: 0, down: 1, across: 2, sign: 1, sides: ['R', 'L', 'A', 'P'] },
  coronal: { name: 'Coronal', through: 1, down: 0, across: 2, sign: -1, sides: ['R', 'L', 'H', 'F'] },
  sagittal: { name: 'Sagittal', through: 2, down: 0, across: 1, sign: -1, sides: ['A', 'P', 'H', 'F'] },
};

export const WINDOWS = { lung: [-1350, 150], mediastinum: [-160, 240], bone: [-450, 1050] };
